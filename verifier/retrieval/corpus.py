"""A source's corpus: what it commits to, and the index block by which a search in it can be run again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from eth_abi.abi import encode

from chain.contribution import MalformedRecordError, canonical_json, content_digest
from chain.merkle import MerkleTree, leaf_hash
from scoring.retrieval.errors import EmptyCorpusError
from scoring.retrieval.search import PassageIndex, terms
from verifier.retrieval.errors import UnreadableCorpusError

FORMAT = "merit-index/1"
# A relevance is signed, and checked, in millionths: as finely as a search rounds it.
RELEVANCE_UNIT = 10**6


@dataclass(frozen=True)
class Commitment:
    """`ISourceRegistry.Corpus`."""

    root: bytes
    index: bytes
    passages: int

    def as_tuple(self) -> tuple[bytes, bytes, int]:
        """Positional arguments for the ABI's struct."""
        return self.root, self.index, self.passages


def passage_leaf(position: int, digest: bytes) -> bytes:
    """The Merkle leaf of a passage, as `SourceRegistry.slash` makes it. digest: of the text."""
    return leaf_hash(encode(["uint32", "bytes32"], [position, digest]))


def text_digest(text: str) -> bytes:
    """By which a passage is known: the SHA-256 of its UTF-8."""
    return content_digest(text.encode())


class Corpus:
    """Passages with their tree and index; everything is a function of the passages and their order."""

    def __init__(self, passages: Sequence[str]) -> None:
        """Raises UnreadableCorpusError where no passage holds a word."""
        self.passages = list(passages)
        self._tree = MerkleTree([passage_leaf(at, text_digest(text)) for at, text in enumerate(self.passages)])
        self.index_block = write_index([terms(text) for text in self.passages])
        try:
            self.index = PassageIndex(read_index(self.index_block))
        except EmptyCorpusError as error:
            raise UnreadableCorpusError(f"The corpus cannot be searched: {error}.") from error

    @cached_property
    def commitment(self) -> Commitment:
        """What is registered."""
        return Commitment(self._tree.root, content_digest(self.index_block), len(self.passages))

    def proof(self, position: int) -> tuple[bytes, ...]:
        """That a passage is in the commitment."""
        return tuple(self._tree.proof(position))


def write_index(corpus: Sequence[Sequence[str]]) -> bytes:
    """The index block: for each passage which terms it has and how often, without their order, so without the text."""
    known = sorted({term for passage in corpus for term in passage})
    column = {term: at for at, term in enumerate(known)}
    rows = [sorted(column[term] for term in passage) for passage in corpus]
    return canonical_json({"format": FORMAT, "passages": rows, "terms": known})


def read_index(block: bytes) -> list[list[str]]:
    """The terms of each passage, from a stranger's block. Raises MalformedRecordError."""
    try:
        raw = json.loads(block)
        known = raw["terms"]
        if raw["format"] != FORMAT or not all(type(term) is str for term in known):
            raise ValueError("it is not an index")
        corpus = [[known[column] for column in row] for row in raw["passages"]]
        canonical = write_index(corpus)
    except Exception as error:  # whatever hostile bytes provoke in the parser means the same thing
        raise MalformedRecordError("The block is not the index of a corpus.") from error
    if canonical != block:
        raise MalformedRecordError("The index of the corpus is not in canonical form.")
    return corpus
