"""`MeritRow` in Python's integers: what the contract says of one row, digit by digit."""

from chain.parameters import FIXED_ONE

DIAGONAL_ONE = 2**24
SCORE_ONE = 10**18

_GUARD_BITS = 16
# A unit of diagonals in units of visits.
_DIAGONAL_UNIT = FIXED_ONE // DIAGONAL_ONE


def inflow(stop: int, weight: int, strength: int, visits: int) -> int:
    """What one in-edge brings, `(1 - stop) weight / strength visits`, in units of 2^-60."""
    return (((FIXED_ONE - stop) * weight * visits) << _GUARD_BITS) // (strength * FIXED_ONE)


def is_balanced(visits: int, seed_weight: int, inflows: int, degree: int) -> bool:
    """Whether `visits` are what begins here and flows in over `degree` edges, within `degree + 1` units of 2^-44."""
    difference = (visits << _GUARD_BITS) - ((seed_weight << _GUARD_BITS) + inflows)
    return abs(difference) <= (degree + 1) << _GUARD_BITS


def follow(stop: int, weight: int, strength: int, probability: int) -> int:
    """The part of `probability`, in units of 2^-44, that goes on over an edge, rounded down."""
    return inflow(stop, weight, strength, probability) >> _GUARD_BITS


def is_diagonal_below(diagonal: int, probability: int) -> bool:
    """Whether a diagonal is below 1 + `probability`, that of coming back, by more than its rounding."""
    return diagonal + 1 < DIAGONAL_ONE + probability // _DIAGONAL_UNIT


def trust_score(visits: int, diagonal: int, is_behind_bridge: bool, bridge_decay: int) -> int:
    """Score before distrust, in units of 1e-18: visits over diagonal, less the connectivity decay.

    MeritRank: `h(j) = x(j) / G(j,j)`, multiplied by `1 - beta` behind a bridge. A diagonal below 1 counts as 1.
    """
    kept = FIXED_ONE - bridge_decay if is_behind_bridge else FIXED_ONE
    return visits * DIAGONAL_ONE * SCORE_ONE * kept // (max(diagonal, DIAGONAL_ONE) * FIXED_ONE * FIXED_ONE)


def penalty(score: int, weight: int, strength: int) -> int:
    """What one account's distrust takes: its own score before distrust, by the edge's part of all its distrust."""
    return score * weight // strength
