"""Answers in words to queries, written by a local model from the passages that were found; one at a time."""

import time
from collections.abc import Collection
from dataclasses import dataclass
from threading import BoundedSemaphore, Lock

import structlog

from scoring.retrieval.credit import agreement_game, source_credits
from verifier.retrieval.answering import CitedAnswer, Generator, NoAnswerError, cited, prompt_of
from verifier.retrieval.records import QueryRecord

# Queries that wait for the model, the one that it works for included: each waiting one holds a thread.
_WAITING = 4
_log = structlog.get_logger()


@dataclass(frozen=True)
class WrittenAnswer:
    """An answer to a query.

    values: what each source whose passages were shown added to it; None if that was not asked for, or took too long.
    """

    answer: CitedAnswer
    values: dict[int, float] | None


class AnswerWriter:
    """Safe to share between threads. seconds: that writing, and waiting for it, may take."""

    def __init__(self, generator: Generator, seconds: float) -> None:
        self._generator = generator
        self._seconds = seconds
        self._places = BoundedSemaphore(_WAITING)
        self._turn = Lock()

    def write(self, record: QueryRecord | None, *, valued: bool) -> WrittenAnswer:
        """The answer from what was shown of a query.

        valued: also answer from the passages of each coalition of the sources, and value them by how far these answers
        agree. Raises NoAnswerError.
        """
        if record is None or not record.shown:
            raise NoAnswerError("No passage was found to answer from.")
        until = time.monotonic() + self._seconds
        if not self._places.acquire(blocking=False):
            raise NoAnswerError("Too many answers are waiting to be written; ask again in a moment.")
        try:
            if not self._turn.acquire(timeout=self._seconds):
                raise NoAnswerError("The answer was not written in time.")
            try:
                return self._write(record, until, valued=valued)
            except NoAnswerError:
                raise
            except Exception as error:  # memory that runs out, say: the passages are good all the same
                _log.error("no answer written", exc_info=error)
                raise NoAnswerError("The model failed; the service's log says how.") from error
            finally:
                self._turn.release()
        finally:
            self._places.release()

    def _write(self, record: QueryRecord, until: float, *, valued: bool) -> WrittenAnswer:
        question = record.asked.query.text
        texts = {record.passages[place].digest: record.passages[place].text for place in record.shown}
        sources = list(dict.fromkeys(str(source) for source, _ in record.shown))
        written: dict[tuple[bytes, ...], str] = {}

        def answer_of(coalition: Collection[str]) -> str:
            """From the passages that these sources gave; in the order of all."""
            given = {record.passages[place].digest for place in record.shown if str(place[0]) in coalition}
            kept = tuple(digest for digest in texts if digest in given)
            if kept not in written:
                written[kept] = self._generator.write(prompt_of(question, [texts[one] for one in kept]), until)
            return written[kept]

        answer = cited(answer_of(sources), len(texts))
        if not valued:
            return WrittenAnswer(answer, None)
        # Passages are numbered anew for each coalition: citations differ where answers do not.
        game = agreement_game(sources, lambda coalition: cited(answer_of(coalition), 0).text)
        try:
            values = source_credits(sources, game)
        except NoAnswerError:
            return WrittenAnswer(answer, None)
        return WrittenAnswer(answer, {int(source): value for source, value in values.items()})
