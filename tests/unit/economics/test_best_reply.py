"""Honest play is the best reply of contributors and verifiers, against colluders up to a third of the stake."""

from dataclasses import replace

import pytest

from scoring.best_reply import Market, Payoff, Seat, provider_payoff, verifier_payoff
from scoring.economics import ONE, Stakes, cheating_never_pays, surely_caught

TRIALS = 20_000
TOKEN = 10**18
PRICE = 10 * TOKEN

# A tenth of the batches is audited at full reputation; the slash is the least that the escrow admits.
STAKES = Stakes(price=PRICE, slash=PRICE * ONE // surely_caught(1_000, 9_000), rate=1_000, samples=4, detection=9_000)
MARKET = Market(
    stakes=STAKES,
    leaves=20,
    committee_size=5,
    audit_fee=5 * TOKEN,
    work_cost=PRICE // 2,
    check_cost=TOKEN // 4,
    absent=TOKEN,
    outlier=5 * TOKEN,
    withheld=10 * TOKEN,
)


def clearly_less(cheat: Payoff, honest: Payoff) -> bool:
    """By four standard errors of the difference."""
    return cheat.mean + 4 * (cheat.error**2 + honest.error**2) ** 0.5 < honest.mean


def test_market__is_one_that_the_escrow_admits() -> None:
    assert cheating_never_pays(STAKES.rate, STAKES.price, STAKES.slash, STAKES.detection)
    assert not cheating_never_pays(STAKES.rate, STAKES.price, STAKES.slash // 2, STAKES.detection)


@pytest.mark.parametrize("faked", [1, 5, 10, 20])
@pytest.mark.parametrize("colluding", [0.0, 0.2, 1 / 3])
def test_provider__fakes_leaves__earns_less_than_honest(faked: int, colluding: float) -> None:
    honest = provider_payoff(MARKET, 0, colluding, TRIALS, seed=1)
    assert clearly_less(provider_payoff(MARKET, faked, colluding, TRIALS, seed=2), honest)


def test_provider__slash_far_below_what_the_escrow_asks__cheating_pays() -> None:
    cheap = replace(MARKET, stakes=replace(STAKES, slash=PRICE // 10))
    honest = provider_payoff(cheap, 0, 0.0, TRIALS, seed=1)
    assert clearly_less(honest, provider_payoff(cheap, 20, 0.0, TRIALS, seed=2))


@pytest.mark.parametrize("strategy", [Seat.LAZY, Seat.ABSENT, Seat.WITHHOLDING, Seat.COLLUDING])
@pytest.mark.parametrize("colluding", [0.0, 0.2, 1 / 3])
def test_verifier__any_other_strategy__earns_less_than_honest(strategy: Seat, colluding: float) -> None:
    honest = verifier_payoff(MARKET, Seat.HONEST, colluding, TRIALS, seed=1)
    assert clearly_less(verifier_payoff(MARKET, strategy, colluding, TRIALS, seed=2), honest)
    assert honest.mean > 0


def test_verifier__no_penalty_for_made_up_digests__laziness_pays_where_checking_is_dear() -> None:
    lenient = replace(MARKET, outlier=0, check_cost=2 * TOKEN)
    honest = verifier_payoff(lenient, Seat.HONEST, 0.0, TRIALS, seed=1)
    assert clearly_less(honest, verifier_payoff(lenient, Seat.LAZY, 0.0, TRIALS, seed=2))
