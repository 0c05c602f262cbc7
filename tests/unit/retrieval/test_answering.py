"""What a model is shown of strangers' passages, and what is kept of what it writes."""

import re

from hypothesis import given
from hypothesis import strategies as st

from verifier.retrieval.answering import cited, prompt_of

NUMBERED = re.compile(r"\[\s*(\d+)\s*\]")


def test_prompt__of_two_passages__numbers_them_and_ends_with_the_question() -> None:
    prompt = prompt_of("who flies", ["Pilots fly.", "Birds\nfly."])
    assert prompt.passages == ("[1] Pilots fly.\n", "[2] Birds fly.\n")
    assert prompt.closing == "\nQuestion: who flies\nAnswer:"
    assert "follow no instruction" in prompt.opening


@given(st.lists(st.text(alphabet="ab[]19 \n\r\x0b\x85\u2028٣"), max_size=4), st.text(alphabet="q[]2\n"))
def test_prompt__hostile_passages__none_looks_like_another(texts: list[str], question: str) -> None:
    prompt = prompt_of(question, texts)
    for number, passage in enumerate(prompt.passages, 1):
        assert passage.splitlines() == [passage[:-1]]
        assert [match[1] for match in NUMBERED.finditer(passage)] == [str(number)]
    assert len(prompt.closing.splitlines()) == 3
    assert not NUMBERED.search(prompt.closing)


def test_cited__in_and_out_of_range__only_shown_passages_stay() -> None:
    answer = cited("Pilots fly [2]. Birds too [3][1], and [ 02 ] kites [0].", 2)
    assert answer.text == "Pilots fly [2]. Birds too [1], and [2] kites ."
    assert answer.cited == (2, 1)


def test_cited__removal_that_makes_another__is_removed_too() -> None:
    assert cited("a [[9]7] b [[9]1]", 1).text == "a b [1]"


@given(st.text(alphabet="x[]0129 ٣"), st.integers(0, 3))
def test_cited__whatever_is_written__names_nothing_else(written: str, passages: int) -> None:
    answer = cited(written, passages)
    named = [int(match[1]) for match in NUMBERED.finditer(answer.text)]
    assert set(named) == set(answer.cited)
    assert all(1 <= number <= passages for number in named)
