"""Who is asked."""

from collections import Counter

import numpy as np
import pytest

from scoring.retrieval.selection import EXPLORATION, FORGETTING, Usefulness, choose

USEFULNESS = {"a": 0.9, "b": 0.7, "c": 0.5, "d": 0.3, "e": 0.1}


def test_choose__fewer_sources_than_places__all_best_first() -> None:
    assert choose(USEFULNESS, 9, np.random.default_rng(0)) == list("abcde")


def test_choose__nobody__is_empty() -> None:
    assert choose(USEFULNESS, 0, np.random.default_rng(0)) == []
    assert choose({}, 3, np.random.default_rng(0)) == []


def test_choose__many_queries__only_the_last_place_explores_and_evenly() -> None:
    random, queries = np.random.default_rng(1), 20_000
    last: Counter[str] = Counter()
    for _ in range(queries):
        chosen = choose(USEFULNESS, 3, random)
        assert chosen[:2] == ["a", "b"]
        last[chosen[2]] += 1
    expected = queries * EXPLORATION / 2
    assert set(last) == {"c", "d", "e"}
    assert [last["d"], last["e"]] == pytest.approx([expected, expected], abs=5 * expected**0.5)


def test_choose__equally_useful__each_has_its_turn() -> None:
    random = np.random.default_rng(2)
    first = Counter(choose(dict.fromkeys("abc", 0.5), 1, random)[0] for _ in range(3000))
    assert list(first.values()) == pytest.approx([1000] * 3, abs=150)


def test_choose__same_seed_other_order_of_sources__same_choice() -> None:
    equal, backwards = dict.fromkeys("abcde", 0.5), dict.fromkeys("edcba", 0.5)
    for seed in range(50):
        assert choose(equal, 3, np.random.default_rng(seed)) == choose(backwards, 3, np.random.default_rng(seed))


def test_usefulness__nothing_known__is_the_prior() -> None:
    assert Usefulness(0.2).value == pytest.approx(0.2)


def test_usefulness__helped_once_of_two__decays_by_query() -> None:
    found = Usefulness().after(helped=True).after(helped=False)
    assert found.helped == pytest.approx(FORGETTING)
    assert found.asked == pytest.approx(1 + FORGETTING)
    assert found.value == pytest.approx((1 + FORGETTING) / (3 + FORGETTING))
