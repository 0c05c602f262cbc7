"""When cheating pays, and when it does not.

The integer functions are those of `contracts/libraries/Economics.sol`, bit for bit: rates are basis points, amounts the
token's smallest units. The exact probabilities are fractions, so that nothing here depends on rounding.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import comb

ONE = 10_000
FULL_REPUTATION = 10**18


def audit_rate(floor: int, ceiling: int, reputation: int) -> int:
    """Basis points at which a contributor is audited: `ceiling` at reputation 0, `floor` at 10^18 and above."""
    if reputation >= FULL_REPUTATION:
        return floor
    return ceiling - (ceiling - floor) * reputation // FULL_REPUTATION


def needed_catch(price: int, slash: int) -> int:
    """Basis points with which one faked leaf must be caught so that no cheat pays, rounded up.

    A cheat that fakes a fraction f of n leaves saves at most n f price, caught or not, and loses n (slash + price) when
    it is caught. It cannot profit if P(f) >= f price / (slash + price). P is concave in f and grows with the number of
    leaves, so the case to check is a batch of one faked leaf: P = rate x detection.

    price, slash: per leaf; `price` and `slash` are not both zero unless `price` is.
    """
    return 0 if price == 0 else (price * ONE + slash + price - 1) // (slash + price)


def surely_caught(rate: int, detection: int) -> int:
    """Basis points with which one faked leaf is audited and found, rounded down."""
    return rate * detection // ONE


def cheating_never_pays(floor: int, price: int, slash: int, detection: int) -> bool:
    """Whether the escrow admits a job: no cheat pays even at full reputation, in a batch of any size."""
    return surely_caught(floor, detection) >= needed_catch(price, slash)


@dataclass(frozen=True)
class Stakes:
    """What one leaf is worth to a cheat, in the token's smallest units, and how it is audited.

    rate, detection: basis points; `detection` is the chance that a faked leaf which is looked at is recognised.
    """

    price: int
    slash: int
    rate: int
    samples: int
    detection: int


def caught_probability(stakes: Stakes, leaves: int, faked: int) -> Fraction:
    """Probability that a batch of `leaves`, `faked` of them faked, is found out.

    The audit looks at min(samples, leaves) leaves without replacement: rate x (1 - E[(1 - d)^X]) with X hypergeometric.
    The design's closed form `rate x (1 - (1 - f d)^m)`, which samples with replacement, is a lower bound.

    Raises:
        ValueError: not 0 <= faked <= leaves.
    """
    if not 0 <= faked <= leaves:
        raise ValueError(f"{faked} faked leaves do not fit in a batch of {leaves}")
    looked_at = min(stakes.samples, leaves)
    miss = Fraction(ONE - stakes.detection, ONE)
    missed = sum(
        (comb(faked, x) * comb(leaves - faked, looked_at - x) * miss**x for x in range(looked_at + 1)), Fraction(0)
    )
    return Fraction(stakes.rate, ONE) * (1 - missed / comb(leaves, looked_at))


def cheating_gain(stakes: Stakes, leaves: int, faked: int) -> Fraction:
    """Expected gain over honest work of faking `faked` of `leaves`.

    A faked leaf is taken to cost nothing and a real one its price, which is what a cheat can save at most; it has saved
    it whether it is caught or not.
    """
    return faked * stakes.price - caught_probability(stakes, leaves, faked) * leaves * (stakes.slash + stakes.price)


def best_cheat(stakes: Stakes, leaves: int) -> tuple[int, Fraction]:
    """The number of leaves, at least one, that a cheat would fake in a batch of `leaves`, and what it gains by it."""
    return max(
        ((faked, cheating_gain(stakes, leaves, faked)) for faked in range(1, leaves + 1)), key=lambda choice: choice[1]
    )


def capture_probability(size: int, share: Fraction) -> Fraction:
    """Probability that two thirds of a committee of `size` are drawn from a `share` of the stake (binomial tail)."""
    quorum = -(-2 * size // 3)
    return sum(
        (comb(size, seats) * share**seats * (1 - share) ** (size - seats) for seats in range(quorum, size + 1)),
        Fraction(0),
    )
