"""What counts as a word, wherever texts are compared."""

import re

_WORD = re.compile(r"[^\W_]+")


def words_of(text: str) -> list[str]:
    """Runs of letters and digits, in lower case, in their order."""
    return _WORD.findall(text.lower())
