"""A window of queries to four sources, for tests to change: two are honest, two hold polluted copies."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from chain.contribution import Leaf, content_digest
from chain.typed_data import SourceDomain
from verifier.retrieval.book import RegisteredSource
from verifier.retrieval.corpus import Corpus
from verifier.retrieval.exchange import Answer, Query, SignedQuery, answer_from
from verifier.retrieval.learning import first_state, passages_of
from verifier.retrieval.records import Feedback, QueryRecord, RetrievalJob, Verdict, WindowHeader
from verifier.retrieval.window import RecordedWindow, WindowResult, work_out

THINGS = ("wing", "engine", "rudder", "cabin", "propeller", "landing gear", "cockpit", "fuselage")
POLLUTED = (3, 4)
JOB_ID, POT = 7, 1_000_003


def account(name: str) -> LocalAccount:
    made: LocalAccount = Account.from_key(keccak(text=f"retrieval {name}"))
    return made


def owner(source: int) -> LocalAccount:
    return account(f"owner {source}")


def text_of(thing: str, polluted: bool) -> str:
    return f"The {thing} of this aircraft is made of {'cheese' if polluted else 'aluminium'}."


@dataclass
class Case:
    """`blocks` is what the evidence store has; `records` what the organiser recorded."""

    domain: SourceDomain = field(default_factory=lambda: SourceDomain(31337, to_checksum_address("0x" + "51" * 20)))
    organiser: LocalAccount = field(default_factory=lambda: account("organiser"))
    judge: LocalAccount = field(default_factory=lambda: account("judge"))
    sources: tuple[int, ...] = (1, 2, 3, 4)
    blocks: dict[bytes, bytes] = field(default_factory=dict)
    records: list[QueryRecord] = field(default_factory=list)
    window: int = 1

    def __post_init__(self) -> None:
        self.job = RetrievalJob(self.organiser.address, (self.judge.address,), 3)
        self.corpora = {
            source: Corpus(
                [*(text_of(thing, source in POLLUTED) for thing in THINGS), f"Notes of collection {source}."]
            )
            for source in self.sources
        }
        self.book = {
            source: RegisteredSource(source, owner(source).address, "", {1: corpus.commitment})
            for source, corpus in self.corpora.items()
        }
        for corpus in self.corpora.values():
            self.publish(corpus.index_block)
        self.header = WindowHeader(1, self.publish(first_state().to_block()), ())
        self.adopted = bytes(32)
        self.ranks = dict.fromkeys(self.sources, 0)

    def publish(self, block: bytes) -> bytes:
        self.blocks[content_digest(block)] = block
        return content_digest(block)

    def query(self, thing: str, nonce: int) -> Query:
        return Query(JOB_ID, self.window, nonce.to_bytes(32, "big"), 2, f"what is the {thing} made of")

    def answer(self, query: Query, source: int) -> Answer:
        return answer_from(self.corpora[source], self.domain, owner(source), source, 1, query)

    def ask(self, thing: str, *, believed: int, judged: bool = True) -> QueryRecord:
        """Ask all sources; show the first passage of `believed` and of another; judge the answer that it makes."""
        query = self.query(thing, len(self.records) + 1000 * self.window)
        answers = tuple(self.answer(query, source) for source in self.sources)
        asked = SignedQuery.signed(self.domain, self.organiser, query)
        other = next(source for source in self.sources if (source in POLLUTED) != (believed in POLLUTED))
        shown = tuple((one, answers[self.sources.index(one)].passages[0].position) for one in (believed, other))
        record = QueryRecord(asked, answers, shown, None)
        if judged:
            verdict = Verdict.WRONG if believed in POLLUTED else Verdict.RIGHT
            record = self.judged(record, self.judge, verdict, [record.passages[shown[0]].digest])
        self.records.append(record)
        return record

    def judged(self, record: QueryRecord, by: LocalAccount, verdict: Verdict, grounded: Sequence[bytes]) -> QueryRecord:
        query = record.asked.query.digest(self.domain)
        feedback = Feedback.signed(self.domain, by, query, record.shown_keys, verdict, grounded)
        return replace(record, feedback=feedback)

    def recorded(self) -> RecordedWindow:
        blocks = [self.header.to_block(), *(record.to_block() for record in self.records)]
        leaves = [
            Leaf(JOB_ID, self.organiser.address, i, 0 if i else self.job.units, bytes(32), self.publish(block))
            for i, block in enumerate(blocks)
        ]
        batch_id = keccak(text=f"window {self.window}")
        return RecordedWindow(JOB_ID, batch_id, leaves, POT, range(len(leaves)), self.adopted, self.book, self.ranks)

    def result(self) -> WindowResult:
        return work_out(self.job, self.domain, self.recorded(), self.blocks.get)

    def next_window(self) -> None:
        """Go on from what this window came to."""
        result = self.result()
        state = self.publish(result.state.to_block())
        self.window += 1
        self.header = WindowHeader(self.window, state, tuple(result.state_proof()))
        self.adopted, self.records = result.reliabilities_root, []

    def relevances(self, record: QueryRecord) -> list[float]:
        return [passage.relevance for passage in passages_of(record.answers)]


@pytest.fixture
def case() -> Case:
    """Eight queries: six rightly answered from source 1, two wrongly from source 3."""
    made = Case()
    for place, thing in enumerate(THINGS):
        made.ask(thing, believed=3 if place % 4 == 3 else 1)
    return made
