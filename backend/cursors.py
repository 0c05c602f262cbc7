"""Cursors of pages over what happened on the chain: the position of the last entry that was shown."""

import re
from typing import Annotated

from fastapi import Query

from backend.problems import ProblemError

_FORM = re.compile(r"([0-9]{1,18})-([0-9]{1,9})")

Cursor = Annotated[str | None, Query(max_length=40, description="`next` of the page before")]


def cursor_at(block: int, log_index: int) -> str:
    """The cursor of what comes after this position."""
    return f"{block}-{log_index}"


def parse_cursor(cursor: str | None) -> tuple[int, int] | None:
    """Block and log index. Raises a 400 problem for text that no page gave."""
    if cursor is None:
        return None
    match = _FORM.fullmatch(cursor)
    if match is None:
        raise ProblemError(400, "invalid-cursor", "This is not a cursor; use `next` of the page before.")
    return int(match[1]), int(match[2])
