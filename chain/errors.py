"""Failures that a person can cause or meet, each worded as one sentence that says what to do."""

from typing import Any


class MeritError(Exception):
    """Base of every failure that is reported to a person by its message alone."""


class ChainUnavailableError(MeritError):
    """The RPC endpoint cannot be reached or answers with an error of its own."""


class WrongNetworkError(MeritError):
    """The endpoint serves another chain, or a chain without the contracts that were expected."""


class KeyFileError(MeritError):
    """A key is missing, malformed or locked."""


class TransactionRevertedError(MeritError):
    """A call that the contracts refuse: `name` and `arguments` are those of the custom error."""

    def __init__(self, name: str, arguments: dict[str, Any], sentence: str) -> None:
        super().__init__(sentence)
        self.name = name
        self.arguments = arguments


class TransactionFailedError(MeritError):
    """A transaction that could not be sent, or was mined and failed."""
