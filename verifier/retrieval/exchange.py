"""What is asked of a source and what it answers, both signed (EIP-712), as canonical JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress

from chain.contribution import MalformedRecordError, canonical_json
from chain.merkle import verify_proof
from chain.typed_data import SourceDomain, message_digest, passage_hash, sign, signer_of
from verifier.retrieval.corpus import RELEVANCE_UNIT, Commitment, Corpus, passage_leaf, text_digest
from verifier.retrieval.errors import ForeignPassageError, UnusableAnswerError
from verifier.workloads.strict_json import check_keys, integer

# What one query may ask of a source, and how long it may be in characters.
MOST_PASSAGES = 10
LONGEST_QUERY = 2_000
_LONGEST_PASSAGE = 20_000
_DEEPEST_PROOF = 32


@dataclass(frozen=True)
class Query:
    """A question put to sources, for one window of a job, by the account that holds the job's windows.

    count: passages that are wanted. nonce: 32 random bytes, so that no answer is good for another query.
    """

    job_id: int
    window: int
    nonce: bytes
    count: int
    text: str

    def digest(self, domain: SourceDomain) -> bytes:
        """What is signed of it, and what answers name it by."""
        return message_digest(domain.query(self.job_id, self.window, self.nonce, self.count, self.text))

    def to_json(self) -> dict[str, Any]:
        """As JSON value."""
        return {
            "count": self.count,
            "job": self.job_id,
            "nonce": self.nonce.hex(),
            "text": self.text,
            "window": self.window,
        }

    @classmethod
    def from_json(cls, raw: Any) -> "Query":
        """Parse a stranger's JSON value. Raises ValueError, TypeError or MeritError."""
        check_keys(raw, {"count", "job", "nonce", "text", "window"})
        text, count = _text(raw["text"], LONGEST_QUERY), integer(raw["count"], MOST_PASSAGES)
        if not text or not count:
            raise ValueError("a query has a text and asks for a passage at least")
        return cls(integer(raw["job"], 2**256 - 1), integer(raw["window"], 2**64 - 1), _word(raw["nonce"]), count, text)


@dataclass(frozen=True)
class SignedQuery:
    """A query with the signature of who asks."""

    query: Query
    signature: bytes

    @classmethod
    def signed(cls, domain: SourceDomain, account: BaseAccount, query: Query) -> "SignedQuery":
        """A query in the name of `account`."""
        message = domain.query(query.job_id, query.window, query.nonce, query.count, query.text)
        return cls(query, sign(account, message))

    def asker(self, domain: SourceDomain) -> ChecksumAddress | None:
        """Who signed it; None where the signature is malformed."""
        query = self.query
        message = domain.query(query.job_id, query.window, query.nonce, query.count, query.text)
        return signer_of(message, self.signature)

    def to_json(self) -> dict[str, Any]:
        """As JSON value."""
        return {"query": self.query.to_json(), "signature": self.signature.hex()}

    def to_block(self) -> bytes:
        """As it is posted."""
        return canonical_json(self.to_json())

    @classmethod
    def from_json(cls, raw: Any) -> "SignedQuery":
        """As `Query.from_json`."""
        check_keys(raw, {"query", "signature"})
        return cls(Query.from_json(raw["query"]), bytes.fromhex(raw["signature"]))

    @classmethod
    def from_block(cls, block: bytes) -> "SignedQuery":
        """Parse a stranger's bytes. Raises `MalformedRecordError`."""
        try:
            return cls.from_json(json.loads(block))
        except Exception as error:  # whatever hostile bytes provoke in the parser means the same thing
            raise MalformedRecordError("The block is not a signed query.") from error


@dataclass(frozen=True)
class AnsweredPassage:
    """A passage in an answer: its place in the corpus, its text, its relevance in millionths, and its Merkle proof."""

    position: int
    text: str
    relevance: int
    proof: tuple[bytes, ...]

    @cached_property
    def digest(self) -> bytes:
        """By which equal passages are known."""
        return text_digest(self.text)

    @cached_property
    def hash(self) -> bytes:
        """What the answer's signature covers of it."""
        return passage_hash(self.position, self.digest, self.relevance, self.proof)

    def as_tuple(self) -> tuple[int, bytes, int, list[bytes]]:
        """`ISourceRegistry.Passage`."""
        return self.position, self.digest, self.relevance, list(self.proof)

    def is_in(self, commitment: Commitment) -> bool:
        """As the registry decides it."""
        leaf = passage_leaf(self.position, self.digest)
        return self.position < commitment.passages and verify_proof(leaf, self.proof, commitment.root)


@dataclass(frozen=True)
class Answer:
    """What a source says to a query, best first, from one version of its corpus."""

    source_id: int
    version: int
    passages: tuple[AnsweredPassage, ...]
    signature: bytes

    @classmethod
    def signed(
        cls,
        domain: SourceDomain,
        account: BaseAccount,
        query: bytes,
        source_id: int,
        version: int,
        passages: Sequence[AnsweredPassage],
    ) -> "Answer":
        """An answer to the query with this digest in the name of the source's owner."""
        message = domain.answer(source_id, version, query, [passage.hash for passage in passages])
        return cls(source_id, version, tuple(passages), sign(account, message))

    def signer(self, domain: SourceDomain, query: bytes) -> ChecksumAddress | None:
        """Whose answer to this query it is; None where the signature is malformed."""
        hashes = [passage.hash for passage in self.passages]
        return signer_of(domain.answer(self.source_id, self.version, query, hashes), self.signature)

    def check(self, commitment: Commitment | None, count: int) -> None:
        """Raise ForeignPassageError unless all passages are committed to, UnusableAnswerError for other faults.

        commitment: of the answer's version; None where there never was such a version.
        """
        for which, passage in enumerate(self.passages):
            if commitment is None or not passage.is_in(commitment):
                raise ForeignPassageError(which)
        if len(self.passages) > count or len({passage.position for passage in self.passages}) < len(self.passages):
            raise UnusableAnswerError("The answer has more passages than were asked for, or one twice.")

    def as_tuple(self, query: bytes) -> tuple[int, int, bytes, list[bytes]]:
        """`ISourceRegistry.Answer`."""
        return self.source_id, self.version, query, [passage.hash for passage in self.passages]

    def to_json(self) -> dict[str, Any]:
        """As JSON value."""
        return {
            "passages": [
                {
                    "position": passage.position,
                    "proof": [node.hex() for node in passage.proof],
                    "relevance": passage.relevance,
                    "text": passage.text,
                }
                for passage in self.passages
            ],
            "signature": self.signature.hex(),
            "source": self.source_id,
            "version": self.version,
        }

    @classmethod
    def from_json(cls, raw: Any) -> "Answer":
        """Parse a stranger's JSON value. Raises ValueError, TypeError or MeritError."""
        check_keys(raw, {"passages", "signature", "source", "version"})
        if not isinstance(raw["passages"], list) or len(raw["passages"]) > MOST_PASSAGES:
            raise ValueError(f"an answer has at most {MOST_PASSAGES} passages")
        passages = tuple(_passage(one) for one in raw["passages"])
        source_id, version = integer(raw["source"], 2**256 - 1), integer(raw["version"], 2**32 - 1)
        return cls(source_id, version, passages, bytes.fromhex(raw["signature"]))


def answer_from(
    corpus: Corpus, domain: SourceDomain, account: BaseAccount, source_id: int, version: int, query: Query
) -> Answer:
    """What an honest source answers."""
    passages = [
        AnsweredPassage(
            match.position,
            corpus.passages[match.position],
            round(match.relevance * RELEVANCE_UNIT),
            corpus.proof(match.position),
        )
        for match in corpus.index.search(query.text, query.count)
    ]
    return Answer.signed(domain, account, query.digest(domain), source_id, version, passages)


def _passage(raw: Any) -> AnsweredPassage:
    check_keys(raw, {"position", "proof", "relevance", "text"})
    text, proof = _text(raw["text"], _LONGEST_PASSAGE), tuple(_word(node) for node in raw["proof"])
    if len(proof) > _DEEPEST_PROOF:
        raise ValueError("the proof is longer than that of the largest corpus")
    return AnsweredPassage(integer(raw["position"], 2**32 - 1), text, integer(raw["relevance"], RELEVANCE_UNIT), proof)


def _text(value: Any, longest: int) -> str:
    if type(value) is not str or len(value) > longest:
        raise ValueError(f"expected at most {longest} characters")
    value.encode()  # JSON can write halves of characters, which have no bytes
    return value


def _word(text: str) -> bytes:
    value = bytes.fromhex(text)
    if len(value) != 32:
        raise ValueError("expected 32 bytes")
    return value
