"""A simulation of rational agents: what each strategy earns while the others are honest, or up to a third collude.

It plays the audit of `AuditCourt` round by round: seats drawn by stake, two thirds of a committee for a decision, a
larger committee when there is none, a refund after the third. Appeals are left out; they only add to a cheat's losses.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from scoring.economics import ONE, Stakes

COMMITTEE_LIMIT = 23
ROUNDS = 3


class Seat(Enum):
    """What a verifier does with its seat."""

    HONEST = "runs the work again, commits and reveals"
    LAZY = "commits to a digest that it made up"
    ABSENT = "does nothing"
    WITHHOLDING = "runs the work again, commits, does not reveal"
    COLLUDING = "votes for the contributor whatever it sees"


@dataclass(frozen=True)
class Market:
    """Amounts in the token's smallest units.

    work_cost: of one leaf, to the contributor. check_cost: of one audit, to a verifier. audit_fee: shared by the seats
    that agree. absent, outlier, withheld: penalties.
    """

    stakes: Stakes
    leaves: int
    committee_size: int
    audit_fee: int
    work_cost: int
    check_cost: int
    absent: int
    outlier: int
    withheld: int


@dataclass(frozen=True)
class Payoff:
    """Mean payoff and the standard error of that mean."""

    mean: float
    error: float


def provider_payoff(market: Market, faked: int, colluding: float, trials: int, seed: int) -> Payoff:
    """Payoff per batch of a contributor that fakes `faked` leaves; a share `colluding` of the stake is on its side."""
    rng = np.random.default_rng(seed)
    stakes, leaves = market.stakes, market.leaves
    cost = market.work_cost * (leaves - faked)
    payoffs = np.full(trials, leaves * stakes.price - cost, dtype=float)
    visible = (rng.random(trials) < stakes.rate / ONE) & _visible(rng, market, faked, trials)
    # What no honest seat can see, and what is not audited, passes.
    decisions = [_decide(rng, market, colluding) for _ in range(int(visible.sum()))]
    pay = {"fraud": -leaves * stakes.slash - cost, "pass": leaves * stakes.price - cost, "none": -cost}
    payoffs[visible] = [pay[decision] for decision in decisions]
    return _payoff(payoffs)


def verifier_payoff(market: Market, strategy: Seat, colluding: float, trials: int, seed: int) -> Payoff:
    """Payoff of one seat that plays `strategy` in the audit of a contributor whose fraud is visible.

    The other seats are honest, except for a share `colluding` of the stake that votes for the contributor.
    """
    rng = np.random.default_rng(seed)
    size = market.committee_size
    cost = 0 if strategy in (Seat.ABSENT, Seat.LAZY) else market.check_cost
    against = rng.binomial(size - 1, 1 - colluding, trials)
    in_favour = size - 1 - against
    own_against = int(strategy is Seat.HONEST)
    own_in_favour = int(strategy is Seat.COLLUDING)
    if strategy is Seat.ABSENT:
        return _payoff(np.full(trials, -market.absent, dtype=float))
    if strategy is Seat.WITHHOLDING:
        return _payoff(np.full(trials, -market.withheld - cost, dtype=float))
    fraud = 3 * (against + own_against) >= 2 * size
    passed = 3 * (in_favour + own_in_favour) >= 2 * size
    agreed = fraud if own_against else passed if own_in_favour else np.zeros(trials, dtype=bool)
    cluster = np.where(fraud, against + own_against, in_favour + own_in_favour)
    earned = np.where(agreed, market.audit_fee / np.maximum(cluster, 1), 0.0)
    lost = np.where((fraud | passed) & ~agreed, market.outlier, 0)
    return _payoff(earned - lost - cost)


def _visible(rng: np.random.Generator, market: Market, faked: int, trials: int) -> np.ndarray:
    """Whether a faked leaf is among the sampled ones and is recognised."""
    looked_at = min(market.stakes.samples, market.leaves)
    hits = rng.hypergeometric(faked, market.leaves - faked, looked_at, trials)
    missed: np.ndarray = rng.random(trials) < (1 - market.stakes.detection / ONE) ** hits
    return ~missed


def _decide(rng: np.random.Generator, market: Market, colluding: float) -> str:
    """How an audit of visible fraud ends: colluders vote to pass, the others see it."""
    size = market.committee_size
    for _ in range(ROUNDS):
        in_favour = int(rng.binomial(size, colluding))
        if 3 * (size - in_favour) >= 2 * size:
            return "fraud"
        if 3 * in_favour >= 2 * size:
            return "pass"
        size = min(2 * size + 1, COMMITTEE_LIMIT)
    return "none"


def _payoff(payoffs: np.ndarray) -> Payoff:
    return Payoff(float(payoffs.mean()), float(payoffs.std(ddof=1) / np.sqrt(len(payoffs))))
