"""The inequality that the escrow enforces, against exhaustive search and against the compiled contract's vectors."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from scoring.economics import (
    ONE,
    Stakes,
    audit_rate,
    best_cheat,
    capture_probability,
    caught_probability,
    cheating_never_pays,
    needed_catch,
    surely_caught,
)

rates = st.integers(1, ONE)
amounts = st.integers(1, 10**24)


@given(rates, amounts, rates, st.integers(1, 16), st.integers(1, 24))
def test_cheating_never_pays__least_slash_admitted__no_gain_in_any_batch(
    rate: int, price: int, detection: int, samples: int, leaves: int
) -> None:
    caught = surely_caught(rate, detection)
    assume(caught > 0)
    slash = max(0, -(-price * ONE // caught) - price)
    assert cheating_never_pays(rate, price, slash, detection)
    _, gain = best_cheat(Stakes(price, slash, rate, samples, detection), leaves)
    assert gain <= 0


@given(rates, st.integers(10**6, 10**24), rates)
def test_cheating_never_pays__two_basis_points_short__refused_and_a_faked_leaf_gains(
    rate: int, price: int, detection: int
) -> None:
    """The rule refuses nothing that is safe by more than its rounding."""
    caught = surely_caught(rate, detection)
    assume(caught < ONE - 2)
    slash = price * ONE // (caught + 2) - price
    assert not cheating_never_pays(rate, price, slash, detection)
    _, gain = best_cheat(Stakes(price, slash, rate, 1, detection), 1)
    assert gain > 0


@given(rates, rates, st.integers(1, 16), st.integers(1, 40), st.data())
def test_caught_probability__closed_form_with_replacement__is_a_lower_bound(
    rate: int, detection: int, samples: int, leaves: int, data: st.DataObject
) -> None:
    faked = data.draw(st.integers(0, leaves))
    stakes = Stakes(1, 1, rate, samples, detection)
    looked_at = min(samples, leaves)
    miss = 1 - Fraction(faked, leaves) * Fraction(detection, ONE)
    assert caught_probability(stakes, leaves, faked) >= Fraction(rate, ONE) * (1 - miss**looked_at)


def test_caught_probability__everything_faked__equals_the_closed_form() -> None:
    stakes = Stakes(price=1, slash=1, rate=2_500, samples=4, detection=9_000)
    assert caught_probability(stakes, 10, 10) == Fraction(1, 4) * (1 - Fraction(1, 10) ** 4)


@pytest.mark.parametrize("faked", [-1, 11])
def test_caught_probability__more_faked_than_leaves__refused(faked: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        caught_probability(Stakes(1, 1, 1, 1, 1), 10, faked)


@given(st.integers(0, ONE), st.integers(0, ONE), st.integers(0, 2 * 10**18), st.integers(0, 2 * 10**18))
def test_audit_rate__more_reputation__never_more_audits(first: int, second: int, low: int, high: int) -> None:
    floor, ceiling = sorted((first, second))
    low, high = sorted((low, high))
    rates_by_reputation = [audit_rate(floor, ceiling, reputation) for reputation in (0, low, high, 10**18)]
    assert rates_by_reputation == sorted(rates_by_reputation, reverse=True)
    assert rates_by_reputation[0] == ceiling
    assert rates_by_reputation[-1] == floor


def test_needed_catch__no_price__nothing_to_gain() -> None:
    assert needed_catch(0, 0) == 0


@pytest.mark.parametrize(
    ("size", "published"), [(5, 0.007), (11, 0.0002), (23, 4e-7)], ids=["first", "appeal", "second appeal"]
)
def test_capture_probability__a_fifth_of_the_stake__as_the_protocol_says(size: int, published: float) -> None:
    assert float(capture_probability(size, Fraction(1, 5))) == pytest.approx(published, rel=0.25)
