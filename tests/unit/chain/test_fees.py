"""What is offered for gas: enough to be mined, never more than the limit, and replacements that nodes accept."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from web3 import Web3

from chain.fees import FeeAboveLimitError, Fees, asked_fees

amounts = st.integers(0, 10**14)
offers = st.builds(lambda tip, rest: Fees(tip + rest, tip), amounts, amounts)


def chain(base: int, tips: list[int], suggested: int = 7) -> Web3:
    history: dict[str, Any] = {"baseFeePerGas": [1, base], "reward": [[tip] for tip in tips]}
    return cast(Web3, SimpleNamespace(eth=SimpleNamespace(fee_history=lambda *_: history, max_priority_fee=suggested)))


def test_asked_fees__busy_chain__room_for_the_base_fee_to_double_and_the_usual_tip() -> None:
    assert asked_fees(chain(100, [3, 5, 0, 90]), None) == Fees(205, 5)


def test_asked_fees__empty_blocks__endpoints_own_suggestion() -> None:
    assert asked_fees(chain(100, [0, 0]), None) == Fees(207, 7)


def test_asked_fees__limit__is_never_exceeded() -> None:
    assert asked_fees(chain(100, [5]), 150) == Fees(150, 5)
    assert asked_fees(chain(100, [500]), 150) == Fees(150, 150)


def test_asked_fees__base_fee_above_the_limit__says_so() -> None:
    with pytest.raises(FeeAboveLimitError, match=r"asks for 2 gwei per gas and the limit is 1; .*MERIT_MAX_FEE_GWEI"):
        asked_fees(chain(2 * 10**9, [1]), 10**9)


@given(before=offers, asked=offers, limit=st.none() | amounts)
def test_raised__any_fees__at_least_eleven_percent_more_of_the_total_and_within_the_limit(
    before: Fees, asked: Fees, limit: int | None
) -> None:
    raised = before.raised(asked, limit)
    if raised is None:
        assert limit is not None
        assert before.most * 1.125 > limit * (1 - 1e-12)
        return
    assert raised.most * 100 >= before.most * 111
    assert raised.tip * 100 >= before.tip * 111
    assert raised.tip <= raised.most
    assert limit is None or raised.most <= limit
