"""From values to money: whole units that sum to the pot."""

from collections.abc import Mapping
from math import isfinite

from scoring.training.errors import TrainingError

# Values are rounded to so many parts of their positive sum before anything is paid. Two machines that sum in another
# order differ by about one part in 10^14, so that they round alike but for one round in ten million.
RESOLUTION = 10**6


class InvalidPayoutError(TrainingError):
    """A negative pot or a value that is not finite."""


def payout(values: Mapping[str, float], pot: int) -> dict[str, int]:
    """Whole units for every trainer with a share, in proportion to the positive part of its value.

    They sum to the pot to the last unit: what rounding leaves goes to the largest remainders, equal ones by name.
    Empty, so that the pot returns to its owner, where no value is positive. Raises InvalidPayoutError.
    """
    if pot < 0 or not all(isfinite(value) for value in values.values()):
        raise InvalidPayoutError("a pot is not negative and values are finite numbers")
    total = sum(max(0.0, values[name]) for name in sorted(values))
    if total <= 0:
        return {}
    parts = {name: round(RESOLUTION * (max(0.0, value) / total)) for name, value in values.items()}
    whole = sum(parts.values())
    shares = {name: pot * part // whole for name, part in parts.items()}
    left = pot - sum(shares.values())
    for name in sorted(parts, key=lambda name: (-(pot * parts[name] % whole), name))[:left]:
        shares[name] += 1
    return {name: share for name, share in sorted(shares.items()) if share > 0}
