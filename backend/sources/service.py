"""Queries to the registered sources: whom to ask, what to believe, what becomes a contribution of which window."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import RLock

import numpy as np
import structlog
from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress

from backend.database import Database, insert_new
from backend.problems import ProblemError, not_found
from backend.sources import repository
from backend.sources.answers import AnswerWriter
from backend.sources.asking import SourceClient
from backend.sources.models import AnsweredQuery, FalseAnswer, GivenFeedback, WindowPosition
from chain.contribution import canonical_json
from chain.network import Network
from chain.typed_data import SourceDomain
from scoring.retrieval.credit import MOST_SOURCES
from scoring.retrieval.merging import Passage
from scoring.retrieval.recommending import Opinion, recommended
from scoring.retrieval.selection import choose
from scoring.retrieval.standings import Standings
from verifier.retrieval.book import RegisteredSource, SourceBook
from verifier.retrieval.errors import ForeignPassageError, UnusableAnswerError
from verifier.retrieval.exchange import Answer, AnsweredPassage, Query, SignedQuery
from verifier.retrieval.learning import first_state, learn, passages_of, priors_of, standings_of
from verifier.retrieval.ledger import WindowLedger
from verifier.retrieval.records import Feedback, QueryRecord, RetrievalJob, Verdict, WindowState

# The part of the sources' answers that is not needed is not asked for.
_ASKED = MOST_SOURCES - 1
# A window closes once in many queries: whoever is asked again is asked in the next one.
_ATTEMPTS = 2
_AT_ONCE = {"Retry-After": "1"}
# Pieces of feedback that recommendations look back on.
_REMEMBERED = 10_000
_log = structlog.get_logger()


@dataclass(frozen=True)
class FoundPassage:
    """A passage that was shown. reliability: of its source, from 0 to 1."""

    source: RegisteredSource
    version: int
    passage: AnsweredPassage
    reliability: float


@dataclass(frozen=True)
class FoundPassages:
    """What came of a query. outcomes: what is wrong with each asked source's answer; None where nothing is."""

    digest: bytes
    record: QueryRecord | None
    passages: list[FoundPassage]
    outcomes: dict[int, str | None]


class SourceService:
    """One per process. Safe to share between threads. writer: of answers; None where no model is set that does."""

    def __init__(
        self,
        *,
        network: Network,
        account: BaseAccount,
        database: Database,
        client: SourceClient,
        job_id: int,
        job: RetrievalJob,
        clock: Callable[[], float],
        writer: AnswerWriter | None = None,
    ) -> None:
        self.writer = writer
        self._account = account
        self._database = database
        self._client = client
        self._clock = clock
        self._ledger = WindowLedger(network)
        self._random = np.random.default_rng()
        self._lock = RLock()
        self._book = SourceBook(network)
        self._state = first_state()
        self._judged = 0
        self._believed: dict[int, RegisteredSource] = {}
        self._standings = Standings({})
        self.job_id, self.job = job_id, job
        self.domain: SourceDomain = network.source_domain
        self.window = 1

    def close(self) -> None:
        """Ask nobody any more."""
        self._client.close()

    # ---------------------------------------------------------------- what is known

    def sources(self) -> list[tuple[RegisteredSource, float, float]]:
        """Every registered source with its reliability and usefulness, from 0 to 1."""
        with self._lock:
            known = self._standings
            return [
                (source, known.evidence[str(number)].reliability, known.usefulness[str(number)].value)
                for number, source in self._book.sources.items()
                if str(number) in known.evidence
            ]

    def move(self, state: WindowState, window: int) -> None:
        """Tell all processes the state that the registry adopted last, and the window that queries now belong to.

        No query is kept for an earlier window from then on.
        """
        block = state.to_block()
        with self._database.read() as session:
            known = repository.position(session, self.job_id)
        if known is None or (known.window, known.state) != (window, block):
            with self._database.write() as session:
                session.merge(WindowPosition(job_id=self.job_id, window=window, state=block))
        self.follow()

    def follow(self) -> None:
        """Take in the registry, where the windows stand, and what judges have said to any of the processes."""
        with self._lock:
            with self._database.read() as session:
                position = repository.position(session, self.job_id)
                if position is None:
                    return
                state = WindowState.from_block(position.state)
                judged = repository.judged_from(session, state.window + 1)
            self._book.advance()
            self.window = position.window
            if (self._book.sources, self._state, self._judged) == (self._believed, state, judged):
                return
            ranks = self._ledger.ranks()
            priors = priors_of({number: ranks.get(one.owner, 0) for number, one in self._book.sources.items()})
            standings = standings_of(state, priors)
            with self._database.read() as session:
                later = repository.records_from(session, state.window + 1)
            for _, record in later:
                learn(standings, record, self.job, self.domain)
            self._believed, self._state, self._judged = dict(self._book.sources), state, judged
            self._standings = standings

    # ---------------------------------------------------------------- queries

    def query(self, asker: ChecksumAddress, text: str, count: int) -> FoundPassages:
        """Ask the most useful sources; at most `count` passages of different text, best first."""
        for _ in range(_ATTEMPTS):
            found = self._ask(text, count)
            if found.record is None or self._keep(found.record, found.digest, asker):
                return found
            self.follow()
        raise ProblemError(503, "window-closed", "The window of queries has just closed; ask again.", _AT_ONCE)

    def _ask(self, text: str, count: int) -> FoundPassages:
        with self._lock:
            window = self.window
            sources = {n: self._book.sources[n] for n in self._believed if self._book.sources[n].active}
            usefulness = {str(number): self._standings.usefulness[str(number)].value for number in sources}
            chosen = [int(number) for number in choose(usefulness, _ASKED, self._random)]
        if not chosen:
            raise ProblemError(503, "no-sources", "No source is registered yet; try again when there is one.")
        query = Query(self.job_id, window, os.urandom(32), count, text)
        digest = query.digest(self.domain)
        asked = SignedQuery.signed(self.domain, self._account, query)
        told = self._client.ask(
            {number: sources[number].endpoint for number in chosen},
            asked,
            lambda answer: self._check(answer, sources[answer.source_id], digest, count),
        )
        answers = [answer for answer in told.values() if isinstance(answer, Answer)]
        outcomes = {number: None if isinstance(answer, Answer) else str(answer) for number, answer in told.items()}
        found, record = self._ranked(asked, answers, count)
        return FoundPassages(digest, record, found, outcomes)

    def _check(self, answer: Answer, source: RegisteredSource, digest: bytes, count: int) -> None:
        """Raise UnusableAnswerError unless the answer can be relied on to be the source's."""
        if answer.signer(self.domain, digest) != source.owner:
            raise UnusableAnswerError("Its owner did not sign this answer.")
        if answer.version not in source.commitments:
            with self._lock:  # it may have changed its corpus a moment ago
                self._book.advance()
                source = self._book.sources[source.source_id]
        try:
            answer.check(source.commitments.get(answer.version), count)
        except ForeignPassageError as error:
            block = canonical_json(answer.to_json())
            told = FalseAnswer(query=digest, source=answer.source_id, which=error.which, answer=block)
            with self._database.write() as session:
                insert_new(session, told)
            raise

    def _ranked(
        self, asked: SignedQuery, answers: Sequence[Answer], count: int
    ) -> tuple[list[FoundPassage], QueryRecord | None]:
        """The passages to show, each text once, and the record of all that was answered.

        Whoever answered with a text that is shown is recorded as showing it, and so is judged by it.
        """
        if not answers:
            return [], None
        told = {
            (str(answer.source_id), passage.digest): (answer, passage)
            for answer in reversed(answers)
            for passage in reversed(answer.passages)
        }
        with self._lock:
            best: dict[bytes, list[Passage]] = {}
            for one in self._standings.ranked(passages_of(answers)):
                best.setdefault(one.digest, []).append(one)
            shown = list(best.values())[:count]
            found = []
            for first in (same[0] for same in shown):
                answer, passage = told[first.source, first.digest]
                reliability = self._standings.evidence[first.source].reliability
                source = self._book.sources[answer.source_id]
                found.append(FoundPassage(source, answer.version, passage, reliability))
        at = tuple((int(one.source), told[one.source, one.digest][1].position) for same in shown for one in same)
        return found, QueryRecord(asked, tuple(sorted(answers, key=lambda one: one.source_id)), at, None)

    def _keep(self, record: QueryRecord, digest: bytes, asker: ChecksumAddress) -> bool:
        """Whether the query became one of its window, which may have been closed while sources were asked."""
        row = AnsweredQuery(
            digest=digest,
            window=record.asked.query.window,
            asker=asker,
            asked_at=int(self._clock()),
            record=record.to_block(),
        )
        with self._database.write(durable=False) as session:
            return repository.add_to_window(session, self.job_id, row)

    # ---------------------------------------------------------------- recommendations

    def recommended(self, user: ChecksumAddress, count: int) -> list[tuple[RegisteredSource, float]]:
        """Active sources for one user with their personal score, best first; see `scoring.retrieval.recommending`."""
        with self._database.read() as session:
            told = repository.latest_feedback(session, _REMEMBERED)
        helped: Counter[tuple[str, int]] = Counter()
        misled: Counter[tuple[str, int]] = Counter()
        for account, record, feedback in told:
            for source, position in record.shown:
                if record.passages[source, position].digest in feedback.grounded:
                    (misled if feedback.verdict is Verdict.WRONG else helped)[account, source] += 1
        opinions = [
            Opinion(account, str(source), helped[account, source], misled[account, source])
            for account, source in sorted(helped.keys() | misled.keys())
        ]
        with self._lock:
            active = {str(number): source for number, source in self._book.sources.items() if source.active}
        found = recommended(user, opinions, len(self._book.sources))
        return [(active[source], score) for source, score in found if source in active][:count]

    # ---------------------------------------------------------------- feedback

    def feed_back(self, digest: bytes, feedback: Feedback) -> bool:
        """Keep what the asker or a judge says of an answer, once each; whether it moves reliability and pay."""
        with self._database.read() as session:
            row = repository.find(session, digest)
        if row is None:
            raise not_found("This query")
        record = QueryRecord.from_block(row.record)
        account = feedback.giver(self.domain, digest, record.shown_keys)
        judge = account in self.job.judges
        if account is None or not (judge or account == row.asker):
            raise ProblemError(
                403, "wrong-signature", "Neither the query's asker nor a judge signed this; sign what was shown."
            )
        given = GivenFeedback(query=digest, account=account, judge=judge, feedback=canonical_json(feedback.to_json()))
        with self._lock:  # so that it is learned once: here, or with all that is in the database
            with self._database.write() as session:
                if not insert_new(session, given):
                    taken = f"{account} has said what it thinks of this answer already."
                    raise ProblemError(409, "feedback-given", taken)
            if judge and row.window > self._state.window:
                learn(self._standings, replace(record, feedback=feedback), self.job, self.domain)
                self._judged += 1
        return judge
