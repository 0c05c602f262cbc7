"""What each custom error of the contracts means to the person who caused it."""

SENTENCES: dict[str, str] = {}
