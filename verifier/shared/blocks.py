"""Blocks of evidence that a batch leads to, by their digests, and the records in them."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from chain.contribution import MalformedRecordError
from chain.errors import MeritError

# The block with this SHA-256, or None where it is gone.
Fetch = Callable[[bytes], bytes | None]

_Record = TypeVar("_Record")


class UnavailableBlockError(MeritError):
    """Something that a job's owner or a batch's organiser has to publish is gone. what: what the block is."""

    def __init__(self, digest: bytes, what: str) -> None:
        super().__init__(f"Block {digest.hex()} is gone: {what}.")
        self._told = (digest, what)

    def __reduce__(self) -> tuple[Any, ...]:
        """A worker tells it to the node."""
        return type(self), self._told


class ChangedEvidenceError(MeritError):
    """The evidence of a settled batch is not what its committee saw."""

    def __init__(self, batch_id: bytes) -> None:
        super().__init__(
            f"The evidence of batch {batch_id.hex()} has changed since its committee decided; "
            "start from a copy of the evidence of that time."
        )


def needed(fetch: Fetch, digest: bytes, what: str) -> bytes:
    """A block without which the batch cannot be worked out. Raises UnavailableBlockError."""
    block = fetch(digest)
    if block is None:
        raise UnavailableBlockError(digest, what)
    return block


def parse_record(block: bytes, read: Callable[[Any], _Record], write: Callable[[_Record], bytes], what: str) -> _Record:
    """A stranger's block of canonical JSON. Raises MalformedRecordError unless `write` gives the same bytes again."""
    try:
        record = read(json.loads(block))
        canonical = write(record)
    except Exception as error:  # whatever hostile bytes provoke in the parser means the same thing
        raise MalformedRecordError(f"The block is not {what}.") from error
    if canonical != block:
        raise MalformedRecordError(f"The block is not {what} in canonical form.")
    return record


def parse_digest(text: str) -> bytes:
    """32 bytes in hexadecimal. Raises ValueError."""
    value = bytes.fromhex(text)
    if len(value) != 32:
        raise ValueError("a digest is 32 bytes long")
    return value
