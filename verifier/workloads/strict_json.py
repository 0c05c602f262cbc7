"""Parts of a stranger's evidence, each taken for what it must be or refused."""

import base64
import json
from typing import Any

from verifier.workloads.errors import MalformedEvidenceError


def parse(data: bytes, limit: int) -> Any:
    """Raises MalformedEvidenceError unless `data` is JSON of at most `limit` bytes."""
    if len(data) > limit:
        raise MalformedEvidenceError(f"it is larger than {limit} bytes")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise MalformedEvidenceError("it is not JSON") from None


def check_keys(value: Any, keys: set[str]) -> None:
    """Raises MalformedEvidenceError unless `value` is an object with exactly these keys."""
    if not isinstance(value, dict) or set(value) != keys:
        raise MalformedEvidenceError(f"an object needs exactly the keys {', '.join(sorted(keys))}")


def integer(value: Any, largest: int) -> int:
    """Raises MalformedEvidenceError unless `value` is an integer from 0 to `largest`."""
    if type(value) is not int or not 0 <= value <= largest:
        raise MalformedEvidenceError(f"{str(value)[:20]!r} is not an integer from 0 to {largest}")
    return value


def tokens(value: Any, longest: int, vocabulary: int) -> tuple[int, ...]:
    """Raises MalformedEvidenceError unless `value` is a list of 1 to `longest` integers below `vocabulary`."""
    if not isinstance(value, list) or not 1 <= len(value) <= longest:
        raise MalformedEvidenceError(f"tokens are a list of 1 to {longest}")
    return tuple(integer(token, vocabulary - 1) for token in value)


def base64_bytes(value: Any, length: int) -> bytes:
    """Raises MalformedEvidenceError unless `value` is a string in base64 for `length` bytes."""
    try:
        data = base64.b64decode(value, validate=True)
    except (TypeError, ValueError):
        data = b""
    if len(data) != length:
        raise MalformedEvidenceError(f"an output is a string in base64 for {length} bytes")
    return data
