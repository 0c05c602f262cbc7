"""Token amounts as people write them."""

from decimal import Decimal, InvalidOperation

from chain.errors import MeritError
from chain.parameters import TOKEN


def parse_amount(text: str) -> int:
    """`12.5` tokens in the token's smallest unit. Raises `MeritError` for anything but a positive amount."""
    try:
        amount = Decimal(text) * TOKEN
        exact = int(amount)
    except (InvalidOperation, ValueError, OverflowError):
        raise MeritError(f"{text} is not an amount; write tokens as a decimal number such as 12.5.") from None
    if exact != amount or exact <= 0:
        raise MeritError(f"{text} is not an amount of tokens: it must be positive and have at most 18 decimals.")
    return exact


def show_amount(value: int) -> str:
    """Token units as a decimal number of tokens, without trailing zeros."""
    return f"{(Decimal(value) / TOKEN).normalize():f}"
