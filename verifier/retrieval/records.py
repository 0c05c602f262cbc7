"""The evidence blocks of retrieval, byte for byte: the job, a window's start, what sources stand at, and each query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

from eth_abi.abi import encode
from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chain.contribution import canonical_json, content_digest
from chain.typed_data import SourceDomain, sign, signer_of
from scoring.retrieval.credit import MOST_SOURCES
from verifier.retrieval.exchange import Answer, AnsweredPassage, SignedQuery
from verifier.shared.blocks import parse_digest, parse_record
from verifier.workloads.strict_json import check_keys, integer

_MOST_JUDGES = 1_000
# Numbers of a state are kept in millionths of a millionth, so that everybody writes the same.
STATE_UNIT = 10**12
_STATE_BOUND = 10**24


class Verdict(IntEnum):
    """What a judge says of an answer: right or wrong by a reference, or only what it rests on."""

    NO_REFERENCE = 0
    RIGHT = 1
    WRONG = 2


@dataclass(frozen=True)
class RetrievalJob:
    """Who holds the windows of a job, and on whose word answers are right; `Specification.model` is its digest.

    judges: the only accounts whose feedback moves reliabilities and pay; otherwise a source could ask and judge itself.
    units: what a window is paid by.
    """

    organiser: ChecksumAddress
    judges: tuple[ChecksumAddress, ...]
    units: int

    def to_block(self) -> bytes:
        """The canonical block."""
        return canonical_json({"judges": list(self.judges), "organiser": self.organiser, "units": self.units})

    @classmethod
    def from_block(cls, block: bytes) -> "RetrievalJob":
        """Parse a stranger's block. Raises `MalformedRecordError`."""

        def read(raw: Any) -> RetrievalJob:
            judges = tuple(to_checksum_address(judge) for judge in raw["judges"])
            if len(judges) > _MOST_JUDGES or not raw["units"]:
                raise ValueError("too many judges, or no units")
            return cls(to_checksum_address(raw["organiser"]), judges, integer(raw["units"], 2**64 - 1))

        return parse_record(block, read, RetrievalJob.to_block, "a retrieval job")


@dataclass(frozen=True)
class WindowState:
    """What a window leaves behind: its number, and what was learned of each source and of grounding, as numbers.

    sources: by id; in the order of the fields of `Evidence` and then of `Usefulness`, in 1 / STATE_UNIT.
    grounding: weight, total and squares of both its spreads, likewise.
    """

    window: int
    sources: Mapping[int, tuple[int, ...]]
    grounding: tuple[int, ...]

    def to_block(self) -> bytes:
        """The canonical block."""
        return canonical_json(
            {
                "grounding": list(self.grounding),
                "sources": {str(source): list(numbers) for source, numbers in self.sources.items()},
                "window": self.window,
            }
        )

    @property
    def digest(self) -> bytes:
        """What the window's reliabilities name it by."""
        return content_digest(self.to_block())

    @classmethod
    def from_block(cls, block: bytes) -> "WindowState":
        """Parse a stranger's block. Raises `MalformedRecordError`."""

        def read(raw: Any) -> WindowState:
            sources = {int(source): _numbers(numbers, 9) for source, numbers in raw["sources"].items()}
            return cls(integer(raw["window"], 2**64 - 1), sources, _numbers(raw["grounding"], 6))

        return parse_record(block, read, WindowState.to_block, "the state of a retrieval job")


@dataclass(frozen=True)
class WindowHeader:
    """The first leaf of a window's batch: its number, the state that it starts from, and where that is adopted.

    proof: that the state is under the root that the registry adopted last; empty before the first.
    """

    window: int
    state: bytes
    proof: tuple[bytes, ...]

    def to_block(self) -> bytes:
        """The canonical block."""
        return canonical_json(
            {"proof": [node.hex() for node in self.proof], "state": self.state.hex(), "window": self.window}
        )

    @classmethod
    def from_block(cls, block: bytes) -> "WindowHeader":
        """Parse a stranger's block. Raises `MalformedRecordError`."""

        def read(raw: Any) -> WindowHeader:
            proof = tuple(parse_digest(node) for node in raw["proof"])
            return cls(integer(raw["window"], 2**64 - 1), parse_digest(raw["state"]), proof)

        return parse_record(block, read, WindowHeader.to_block, "the header of a window")


@dataclass(frozen=True)
class Feedback:
    """What an account says of the answer to a query, signed.

    grounded: digests of the passages that the answer rests on.
    """

    verdict: Verdict
    grounded: tuple[bytes, ...]
    signature: bytes

    @classmethod
    def signed(
        cls,
        domain: SourceDomain,
        account: BaseAccount,
        query: bytes,
        shown: Sequence[bytes],
        verdict: Verdict,
        grounded: Sequence[bytes],
    ) -> "Feedback":
        """Feedback in the name of `account` on the answer to a query, by its digest; see `shown_key`."""
        signature = sign(account, domain.feedback(query, verdict, shown, grounded))
        return cls(verdict, tuple(grounded), signature)

    def giver(self, domain: SourceDomain, query: bytes, shown: Sequence[bytes]) -> ChecksumAddress | None:
        """Who signed it; None where the signature is malformed."""
        return signer_of(domain.feedback(query, self.verdict, shown, self.grounded), self.signature)

    def to_json(self) -> dict[str, Any]:
        """As JSON value."""
        return {
            "grounded": [digest.hex() for digest in self.grounded],
            "signature": self.signature.hex(),
            "verdict": int(self.verdict),
        }

    @classmethod
    def from_json(cls, raw: Any) -> "Feedback":
        """Parse a stranger's JSON value. Raises ValueError, TypeError or MeritError."""
        check_keys(raw, {"grounded", "signature", "verdict"})
        grounded = tuple(parse_digest(digest) for digest in raw["grounded"])
        return cls(Verdict(integer(raw["verdict"], 2)), grounded, bytes.fromhex(raw["signature"]))


def shown_key(source_id: int, digest: bytes) -> bytes:
    """How feedback names a passage that was shown: whose it is, and the digest of its text."""
    return keccak(encode(["uint256", "bytes32"], [source_id, digest]))


@dataclass(frozen=True)
class QueryRecord:
    """One leaf: a query, what the asked sources answered, which passages were shown, and a judge's feedback.

    shown: source and position of each passage that the answer was made from, best first.
    """

    asked: SignedQuery
    answers: tuple[Answer, ...]
    shown: tuple[tuple[int, int], ...]
    feedback: Feedback | None

    @cached_property
    def passages(self) -> dict[tuple[int, int], AnsweredPassage]:
        """All that were answered, by source and position."""
        return {(answer.source_id, passage.position): passage for answer in self.answers for passage in answer.passages}

    @property
    def shown_keys(self) -> list[bytes]:
        """As feedback names what was shown."""
        return [shown_key(source, self.passages[source, position].digest) for source, position in self.shown]

    def to_block(self) -> bytes:
        """The canonical block."""
        return canonical_json(
            {
                "answers": [answer.to_json() for answer in self.answers],
                "asked": self.asked.to_json(),
                "feedback": None if self.feedback is None else self.feedback.to_json(),
                "shown": [list(place) for place in self.shown],
            }
        )

    @classmethod
    def from_block(cls, block: bytes) -> "QueryRecord":
        """Parse a stranger's block. Raises `MalformedRecordError`."""

        def read(raw: Any) -> QueryRecord:
            check_keys(raw, {"answers", "asked", "feedback", "shown"})
            answers = tuple(Answer.from_json(one) for one in raw["answers"])
            shown = tuple((int(source), int(position)) for source, position in raw["shown"])
            feedback = None if raw["feedback"] is None else Feedback.from_json(raw["feedback"])
            record = cls(SignedQuery.from_json(raw["asked"]), answers, shown, feedback)
            sources = {answer.source_id for answer in answers}
            if not 0 < len(answers) == len(sources) <= MOST_SOURCES:
                raise ValueError(f"a query is answered by 1 to {MOST_SOURCES} sources, once each")
            if len(set(shown)) != len(shown) or not set(shown) <= set(record.passages):
                raise ValueError("what was shown is not what was answered")
            return record

        return parse_record(block, read, QueryRecord.to_block, "the record of a query")


def _numbers(values: Any, count: int) -> tuple[int, ...]:
    if len(values) != count:
        raise ValueError(f"expected {count} numbers")
    return tuple(integer(value, _STATE_BOUND) for value in values)
