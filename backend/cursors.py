"""Cursors of pages over what happened on the chain: the position of the last entry that was shown."""

from typing import Annotated

from fastapi import Query

CURSOR_PATTERN = "^[0-9]{1,15}-[0-9]{1,9}$"

Cursor = Annotated[str | None, Query(pattern=CURSOR_PATTERN, description="`next` of the page before")]


def cursor_at(block: int, log_index: int) -> str:
    """The cursor of what comes after this position."""
    return f"{block}-{log_index}"


def parse_cursor(cursor: str | None) -> tuple[int, int] | None:
    """Block and log index of a cursor that has the pattern."""
    if cursor is None:
        return None
    block, log_index = cursor.split("-")
    return int(block), int(log_index)
