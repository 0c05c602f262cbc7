"""Evidence about one source."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.retrieval.errors import InvalidCreditError, InvalidPriorError
from scoring.retrieval.reliability import FORGETTING, USUAL_CREDIT, Evidence

CREDITS = st.floats(-1, 1)


def after(evidence: Evidence, received: list[float]) -> Evidence:
    for credit in received:
        evidence = evidence.after(credit)
    return evidence


def test_reliability__nothing_known__is_the_prior() -> None:
    assert Evidence(0.3).reliability == pytest.approx(0.3)


def test_reliability__one_usual_credit__mean_of_a_beta_distribution() -> None:
    assert Evidence().after(USUAL_CREDIT).reliability == pytest.approx(2 / 3)
    assert Evidence().after(-USUAL_CREDIT).reliability == pytest.approx(1 / 3)


def test_reliability__evidence__is_forgotten_at_the_stated_rate() -> None:
    found = after(Evidence(), [USUAL_CREDIT] * 3)
    assert found.positive == pytest.approx(1 + FORGETTING + FORGETTING**2)


def test_standing__more_evidence_of_the_same__comes_nearer_to_the_reliability() -> None:
    little, much = Evidence(positive=2, negative=2), Evidence(positive=200, negative=200)
    assert little.reliability == much.reliability
    assert little.standing - little.reliability == pytest.approx(math.sqrt(0.25 / 7))
    assert much.standing < little.standing


@given(st.floats(0, 0.99), st.lists(CREDITS, max_size=60))
def test_evidence__any_credits__is_a_probability_and_never_negative(prior: float, received: list[float]) -> None:
    found = after(Evidence(prior), received)
    assert 0 <= found.reliability <= 1
    assert min(found.positive, found.negative, found.alarm, found.recent_positive, found.recent_negative) >= 0


@given(st.lists(CREDITS, max_size=40), st.floats(0.001, 1))
def test_reliability__one_more_positive_credit__does_not_fall(received: list[float], credit: float) -> None:
    before = after(Evidence(), received)
    assert before.after(credit).reliability >= before.reliability - (1 - FORGETTING)


def test_reliability__good_source_turns_bad__is_known_within_ten_answers() -> None:
    before = after(Evidence(), [USUAL_CREDIT] * 1000)
    assert before.reliability > 0.99
    assert after(before, [-USUAL_CREDIT] * 10).reliability < 0.2


def test_reliability__mediocre_source_turns_bad__is_known_within_fifty_answers() -> None:
    draws = random.Random(0)
    before = after(Evidence(), [USUAL_CREDIT if draws.random() < 0.7 else -USUAL_CREDIT for _ in range(500)])
    assert after(before, [-USUAL_CREDIT] * 50).reliability < 0.1


def test_reliability__unlucky_streaks_of_a_steady_source__raise_no_alarm() -> None:
    """Of 20 sources that are right in 80 % of 1,000 answers, few are taken to have changed."""
    alarms = 0
    for seed in range(20):
        draws, evidence = random.Random(seed), Evidence()
        for _ in range(1000):
            before = evidence.positive + evidence.negative
            evidence = evidence.after(USUAL_CREDIT if draws.random() < 0.8 else -USUAL_CREDIT)
            alarms += evidence.positive + evidence.negative < 0.9 * before
    assert alarms <= 5


def test_evidence__zero_credit__says_nothing() -> None:
    known = after(Evidence(), [0.5, -0.2])
    assert known.after(0.0) == known


@pytest.mark.parametrize("credit", [1.5, -1.5, math.nan, math.inf])
def test_evidence__credit_out_of_bounds__is_refused(credit: float) -> None:
    with pytest.raises(InvalidCreditError, match="from -1 to 1"):
        Evidence().after(credit)


@pytest.mark.parametrize("prior", [-0.1, 1.0, math.nan])
def test_evidence__prior_out_of_bounds__is_refused(prior: float) -> None:
    with pytest.raises(InvalidPriorError, match=r"from 0 to 0\.99"):
        Evidence(prior)
