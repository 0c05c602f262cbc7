"""Search in one corpus."""

import subprocess
import sys
from math import log, log1p

import numpy as np
import pytest

from scoring.retrieval import search
from scoring.retrieval.errors import EmptyCorpusError
from scoring.retrieval.search import PassageIndex, terms

CORPUS = [
    "The physician examined the patient in the hospital.",
    "A doctor treats patients at the hospital.",
    "A physician and a doctor are the same profession.",
    "The wing of an aircraft creates lift.",
    "Aircraft engines burn fuel at high altitude.",
    "Lift grows with the angle of the wing.",
]


def test_terms__a_sentence__stems_without_stop_words() -> None:
    assert terms("The Wings, of an aircraft_carrier: 747s!") == ["wing", "aircraft", "carrier", "747s"]


def test_word_scores__one_term__closed_form_of_bm25() -> None:
    index = PassageIndex(["alpha beta", "beta beta gamma", "delta"])
    rarity = log1p((3 - 1 + 0.5) / (1 + 0.5))
    expected = rarity * 1 / (1 + 1.5 * (1 - 0.75 + 0.75 * 2 / 2))
    assert index.word_scores("alpha") == pytest.approx([expected, 0, 0], abs=1e-5)


def test_search__words_of_one_passage__finds_it_first() -> None:
    assert PassageIndex(CORPUS).search("fuel of engines", 3)[0].position == 4


def test_meaning_scores__other_words_that_occur_with_the_same__are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second passage lacks "physician" but shares its surroundings with passages that hold it."""
    monkeypatch.setattr(search, "DIMENSIONS", 2)
    index = PassageIndex(CORPUS)
    assert index.word_scores("physician")[1] == 0
    scores = index.meaning_scores("physician")
    assert scores[1] > 0.5
    assert scores[3:].max() < 0.1


def test_search__nothing_in_common__finds_nothing() -> None:
    index = PassageIndex(CORPUS)
    assert index.search("quantum chromodynamics", 3) == []
    assert index.search("", 3) == []


def test_search__terms_in_any_order_instead_of_text__finds_the_same() -> None:
    text, words = PassageIndex(CORPUS), PassageIndex([sorted(terms(passage)) for passage in CORPUS])
    for query in ("wing physician", "doctors in a hospital", "fuel and lift"):
        assert words.search(query, 6) == text.search(query, 6)


def test_search__count__is_kept() -> None:
    assert len(PassageIndex(CORPUS).search("wing physician", 2)) == 2


def test_relevance__words_that_no_passage_holds__lower_it() -> None:
    index = PassageIndex(CORPUS)
    (whole, *_), (half, *_) = index.search("wing lift", 1), index.search("wing lift chromodynamics", 1)
    assert whole.position == half.position
    assert 0 < half.relevance < whole.relevance < 1
    rest = sum(log1p((6 - 2 + 0.5) / (2 + 0.5)) for _ in range(2))
    assert half.relevance / whole.relevance == pytest.approx(rest / (rest + log(1 + 6.5 / 0.5)))


def test_index__another_process__finds_the_same_to_the_last_digit() -> None:
    program = (
        "from scoring.retrieval.search import PassageIndex;"
        f"index = PassageIndex({CORPUS!r});"
        "print(index.word_scores('wing of a doctor').tolist(), index.meaning_scores('wing of a doctor').tolist())"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    index = PassageIndex(CORPUS)
    both = [index.word_scores("wing of a doctor").tolist(), index.meaning_scores("wing of a doctor").tolist()]
    assert done.stdout.strip() == f"{both[0]} {both[1]}"


def test_index__passage_of_stop_words_only__is_never_found() -> None:
    index = PassageIndex(["the of and", "wing lift", "fuel"])
    assert [match.position for match in index.search("the wing", 3)] == [1]
    assert np.isfinite(index.meaning_scores("wing")).all()


def test_index__one_passage__is_found() -> None:
    assert [match.position for match in PassageIndex(["wing lift"]).search("wing", 3)] == [0]


@pytest.mark.parametrize("corpus", [[], [""], ["the", "of"]])
def test_index__no_words__is_refused(corpus: list[str]) -> None:
    with pytest.raises(EmptyCorpusError, match="add passages"):
        PassageIndex(corpus)


def test_search__passages_alike_but_for_one_word__finds_the_same_each_time() -> None:
    """Their singular values are equal: a cut between these would keep whichever the last bit of a sum puts first."""
    corpus = [f"the {thing} of this aircraft is made of aluminium" for thing in ("wing", "rudder", "cabin", "cockpit")]
    found = []
    for padding in range(12):
        index = PassageIndex(corpus)
        _ = np.ones(padding)  # moves what is allocated next, and so how sums are vectorised
        found.append([index.meaning_scores(f"what is the {thing} made of").tolist() for thing in ("wing", "cabin")])
    assert all(one == found[0] for one in found)


def test_search__equal_singular_values_at_the_limit__keeps_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "DIMENSIONS", 2)
    index = PassageIndex(["wing common", "fuel common", "rudder common", "cabin common"])
    scores = index.meaning_scores("wing")
    assert scores == pytest.approx([scores[0]] * 4, abs=1e-6)
