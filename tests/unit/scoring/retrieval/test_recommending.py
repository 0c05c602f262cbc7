"""Sources for one user."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.retrieval.recommending import Opinion, recommended

OPINIONS = [
    Opinion("ann", "maps", 6, 0),
    Opinion("ann", "law", 2, 0),
    Opinion("ben", "maps", 3, 0),
    Opinion("ben", "hiking", 3, 0),
    Opinion("eve", "casino", 9, 0),
]


def names(user: str, opinions: list[Opinion]) -> list[str]:
    return [source for source, _ in recommended(user, opinions, 10)]


def test_recommended__own_experience_first__then_that_of_like_users() -> None:
    assert names("ann", OPINIONS) == ["maps", "law", "hiking"]


def test_recommended__each_user__gets_another_list() -> None:
    assert names("ben", OPINIONS) == ["maps", "hiking", "law"]
    assert names("eve", OPINIONS) == ["casino"]


def test_recommended__unknown_user__gets_none() -> None:
    assert names("zoe", OPINIONS) == []


def test_recommended__source_that_misled_the_user__falls() -> None:
    misled = [*OPINIONS, Opinion("ann", "hiking", 0, 5)]
    before, after = dict(recommended("ann", OPINIONS, 10)), dict(recommended("ann", misled, 10))
    assert after.get("hiking", 0.0) < before["hiking"]


def test_threat_18__fakes_that_share_nothing_with_the_user__recommend_nothing() -> None:
    fakes = [Opinion(f"fake {number}", "spam", 100, 0) for number in range(50)]
    assert dict(recommended("ann", [*OPINIONS, *fakes], 10)) == pytest.approx(dict(recommended("ann", OPINIONS, 10)))


def test_threat_18__one_account__weighs_one_however_much_it_says() -> None:
    def spam(times: int) -> float:
        fake = [Opinion("fake", "maps", times, 0), Opinion("fake", "spam", times, 0)]
        return dict(recommended("ann", [*OPINIONS, *fake], 10))["spam"]

    assert spam(1) == pytest.approx(spam(10**6))
    assert spam(1) < dict(recommended("ann", OPINIONS, 10))["maps"] / 2


@given(
    st.lists(
        st.builds(
            Opinion,
            st.sampled_from(["ann", "ben", "eve"]),
            st.sampled_from(["maps", "law", "hiking"]),
            st.integers(0, 5),
            st.integers(0, 5),
        ),
        unique_by=lambda one: (one.user, one.source),
    )
)
def test_recommended__any_opinions__are_scores_in_order_whatever_theirs(opinions: list[Opinion]) -> None:
    found = recommended("ann", opinions, 2)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert all(0 < score <= 1 for score in scores)
    assert len(found) <= 2
    assert found == recommended("ann", opinions[::-1], 2)
