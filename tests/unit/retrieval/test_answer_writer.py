"""Answers that are written for queries: one at a time, in bounded time, and valued by what is said without a source."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from typing import Any

import pytest

from backend.sources.answers import AnswerWriter
from verifier.retrieval.answering import NoAnswerError, Prompt
from verifier.retrieval.records import QueryRecord

Case = Any  # of the conftest, which cannot be imported from


class Extractor:
    """Says what the first passage says; notes its prompts. hold: is waited for before anything is said."""

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []
        self.hold = Event()
        self.hold.set()

    def write(self, prompt: Prompt, until: float) -> str:
        self.prompts.append(prompt)
        assert self.hold.wait(60)
        if time.monotonic() > until:
            raise NoAnswerError("The answer was not written in time.")
        return f" {prompt.passages[0][4:]}[1] [2] [3]" if prompt.passages else "Nobody knows."


@pytest.fixture
def generator() -> Extractor:
    return Extractor()


@pytest.fixture
def record(case: Case) -> QueryRecord:
    """Shows a passage of source 1, and another of source 3."""
    made: QueryRecord = case.records[0]
    assert [source for source, _ in made.shown] == [1, 3]
    return made


def test_write__two_passages__cites_what_was_shown(generator: Extractor, record: QueryRecord) -> None:
    written = AnswerWriter(generator, 60.0).write(record, valued=False)
    assert written.answer.text == "The wing of this aircraft is made of aluminium. [1] [2]"
    assert written.answer.cited == (1, 2)
    assert written.values is None
    assert [len(prompt.passages) for prompt in generator.prompts] == [2]
    assert record.asked.query.text in generator.prompts[0].closing


def test_write__valued__the_source_without_which_all_changes_has_the_value(
    generator: Extractor, record: QueryRecord
) -> None:
    written = AnswerWriter(generator, 60.0).write(record, valued=True)
    assert written.values is not None
    assert written.values[1] > 0
    assert written.values[1] > written.values[3]
    # One for each coalition: both, either, none.
    assert sorted(len(prompt.passages) for prompt in generator.prompts) == [0, 1, 1, 2]


def test_write__valued__passages_numbered_anew_do_not_count(
    generator: Extractor, record: QueryRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cheese(prompt: Prompt, until: float) -> str:
        found = [number for number, text in enumerate(prompt.passages, 1) if "cheese" in text]
        return f"cheese [{found[0]}]" if found else "Nobody knows."

    monkeypatch.setattr(generator, "write", cheese)
    assert AnswerWriter(generator, 60.0).write(record, valued=True).values == pytest.approx({1: 0.0, 3: 1.0})


def test_write__text_that_two_sources_gave__stays_until_both_are_gone(generator: Extractor, case: Case) -> None:
    record = case.ask("wing", believed=1, judged=False)
    position = record.shown[0][1]
    both = QueryRecord(record.asked, record.answers, ((1, position), (2, position)), None)
    written = AnswerWriter(generator, 60.0).write(both, valued=True)
    assert written.values is not None
    assert written.values[1] == pytest.approx(written.values[2])
    assert written.values[1] > 0
    assert sorted(len(prompt.passages) for prompt in generator.prompts) == [0, 1]


def test_write__nothing_shown__has_no_answer(generator: Extractor, record: QueryRecord) -> None:
    writer = AnswerWriter(generator, 60.0)
    for empty in (None, QueryRecord(record.asked, record.answers, (), None)):
        with pytest.raises(NoAnswerError, match="No passage was found"):
            writer.write(empty, valued=False)
    assert generator.prompts == []


@contextmanager
def writing(writer: AnswerWriter, generator: Extractor, record: QueryRecord, count: int) -> Iterator[None]:
    """While so many answers are asked for and the model does not finish the first."""
    generator.hold.clear()
    with ThreadPoolExecutor(count) as threads:
        asked = [threads.submit(writer.write, record, valued=False) for _ in range(count)]
        while not generator.prompts or writer._places._value > 4 - count:
            time.sleep(0.01)
        try:
            yield
        finally:
            generator.hold.set()
        assert all(one.result().answer.cited == (1, 2) for one in asked)


def test_write__four_waiting__the_fifth_is_not_kept(generator: Extractor, record: QueryRecord) -> None:
    writer = AnswerWriter(generator, 60.0)
    with writing(writer, generator, record, 4):
        with pytest.raises(NoAnswerError, match="Too many answers are waiting"):
            writer.write(record, valued=False)
        assert len(generator.prompts) == 1
    assert writer.write(record, valued=False).answer.cited == (1, 2)


def test_write__turn_does_not_come__gives_up(generator: Extractor, record: QueryRecord) -> None:
    writer = AnswerWriter(generator, 60.0)
    with writing(writer, generator, record, 1):
        writer._seconds = 0.01
        with pytest.raises(NoAnswerError, match="not written in time"):
            writer.write(record, valued=False)
    writer._seconds = 60.0
    assert writer.write(record, valued=False).answer.cited == (1, 2)


def test_write__values_take_too_long__leaves_the_answer(
    generator: Extractor, record: QueryRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = generator.write

    def slow(prompt: Prompt, until: float) -> str:
        return honest(prompt, until if not generator.prompts else 0.0)

    monkeypatch.setattr(generator, "write", slow)
    written = AnswerWriter(generator, 60.0).write(record, valued=True)
    assert written.answer.cited == (1, 2)
    assert written.values is None


def test_write__model_fails__has_no_answer_and_goes_on(
    generator: Extractor, record: QueryRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = AnswerWriter(generator, 60.0)
    with monkeypatch.context() as patched:
        patched.setattr(generator, "write", lambda prompt, until: 1 // 0)
        with pytest.raises(NoAnswerError, match="The model failed"):
            writer.write(record, valued=False)
    assert writer.write(record, valued=False).answer.cited == (1, 2)
