"""Money: to the last unit, in proportion, and to nobody for harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.training.payout import RESOLUTION, InvalidPayoutError, payout

NAMES = st.text(max_size=4)
VALUES = st.dictionaries(NAMES, st.floats(-1e9, 1e9), max_size=12)
POTS = st.integers(0, 2**96 - 1)


@given(VALUES, POTS)
def test_payout__any_values__sums_to_the_pot_or_nothing(values: dict[str, float], pot: int) -> None:
    shares = payout(values, pot)
    assert sum(shares.values()) == (pot if any(value > 0 for value in values.values()) else 0)
    assert all(share > 0 and values[name] > 0 for name, share in shares.items())


@given(VALUES, POTS)
def test_payout__any_values__in_proportion(values: dict[str, float], pot: int) -> None:
    shares, total = payout(values, pot), sum(max(0.0, value) for value in values.values())
    for name, share in shares.items():
        assert share == pytest.approx(pot * values[name] / total, rel=1e-9, abs=2 + 2 * len(values) * pot / RESOLUTION)


@given(VALUES, POTS)
def test_payout__another_order__same_shares(values: dict[str, float], pot: int) -> None:
    assert payout(dict(reversed(values.items())), pot) == payout(values, pot)


@given(st.lists(st.floats(0.001, 1), min_size=2, max_size=8), st.floats(-1e-13, 1e-13))
def test_payout__noise_of_another_machine__same_shares(values: list[float], noise: float) -> None:
    """Values on the grid, as far from its edges as can be: rounding absorbs the noise of another order of summation."""
    parts = [max(1, round(1000 * value)) for value in values]
    exact = {str(i): float(part) for i, part in enumerate(parts)}
    assert payout({name: value * (1 + noise) for name, value in exact.items()}, 10**18) == payout(exact, 10**18)


def test_payout__equal_remainders__go_by_name() -> None:
    assert payout({"c": 1.0, "a": 1.0, "b": 1.0}, 100) == {"a": 34, "b": 33, "c": 33}


@pytest.mark.parametrize(("values", "pot"), [({"a": float("nan")}, 1), ({"a": float("inf")}, 1), ({"a": 1.0}, -1)])
def test_payout__nonsense__refused(values: dict[str, float], pot: int) -> None:
    with pytest.raises(InvalidPayoutError):
        payout(values, pot)
