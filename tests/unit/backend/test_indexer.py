"""Following the chain: the same tables, whatever happens on the way."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from backend.database import Database
from backend.indexer.models import RecordedBatch
from backend.indexer.service import InconsistentEndpointError, Indexer
from backend.indexer.source import Head, RangeRefusedError
from chain.contribution import build_batch
from chain.events import Event
from tests.mirrored import tables

from .conftest import OTHER, OWNER, TERMS, ModelChain, leaf, recorded_args


def indexer_over(database: Database, source: Any, *, confirmations: int = 0, log_range: int = 4) -> Indexer:
    return Indexer(
        database,
        source,
        first_block=1,
        confirmations=confirmations,
        log_range=log_range,
        on_recorded=lambda _session, _batches: None,
        on_rollback=lambda _session, _block, _gone: None,
    )


@cache
def empty_tables() -> bytes:
    """A database file as the migrations leave it; hundreds of databases are made here."""
    with TemporaryDirectory() as name:
        database = Database(f"sqlite:///{name}/empty.db")
        database.migrate()
        database.close()
        return Path(name, "empty.db").read_bytes()


def new_database(folder: Path, name: str) -> Database:
    (folder / f"{name}.db").write_bytes(empty_tables())
    return Database(f"sqlite:///{folder}/{name}.db")


def rebuilt(model: ModelChain, folder: Path) -> dict[str, list[Any]]:
    """The tables of an index that starts now."""
    database = new_database(folder, f"fresh{len(list(folder.iterdir()))}")
    indexer_over(database, model).catch_up()
    result = tables(database)
    database.close()
    return result


def job_opened(number: int) -> tuple[str, str, dict[str, Any]]:
    return ("JobEscrow", "JobOpened", {"jobId": number, "owner": OWNER.address, "terms": TERMS, "amount": 10**20})


def batch_event(number: int, name: str, **args: Any) -> tuple[str, str, dict[str, Any]]:
    batch, _ = build_batch([leaf(number)], 99)
    recorded = recorded_args(batch)
    return ("AuditCourt", name, recorded if name == "Recorded" else {"batchId": recorded["batchId"], **args})


STORY = [
    ("Recorded", {}),
    ("SeedRearmed", {"round": 0, "seedBlock": 9}),
    (
        "Drawn",
        {"round": 0, "seed": b"s" * 32, "sampleSeed": b"s" * 32, "committee": [OTHER.address], "commitDeadline": 70},
    ),
    ("PhaseBegun", {"round": 0, "phase": 3, "deadline": 80}),
    ("Decided", {"round": 0, "outcome": 2, "agreed": 1, "payload": bytes(32), "settleableAt": 90}),
    ("Settled", {"outcome": 2, "contributor": OTHER.address, "paid": 10**20, "slashed": 0}),
]

moves = st.lists(
    st.one_of(
        st.tuples(st.just("mine"), st.integers(0, 3), st.integers(0, len(STORY) - 1)),
        st.tuples(st.just("open"), st.integers(1, 3), st.just(0)),
        st.tuples(st.just("reorganise"), st.integers(1, 10), st.just(0)),
        st.tuples(st.just("index"), st.integers(1, 5), st.just(0)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


@given(moves)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_index__through_reorganisations_and_restarts__equals_one_built_at_the_end(
    story: list[tuple[str, int, int]],
) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        model = ModelChain()
        database = new_database(folder, "live")
        indexer = indexer_over(database, model)
        for move, number, detail in story:
            match move:
                case "mine":
                    event, args = STORY[detail]
                    model.mine(batch_event(number, event, **args), batch_event(number + 1, "Recorded"))
                case "open":
                    model.mine(job_opened(number))
                case "reorganise":
                    model.reorganise(number)
                case "index":
                    for _ in range(number):
                        indexer.step()
                case "restart":
                    indexer = indexer_over(database, model)
        model.mine()
        indexer.catch_up()
        assert tables(database) == rebuilt(model, folder)
        database.close()


def test_batch__through_its_whole_story__is_folded_to_its_end(tmp_path: Path) -> None:
    model = ModelChain()
    for event, args in STORY:
        model.mine(batch_event(0, event, **args))
    database = new_database(tmp_path, "live")
    indexer_over(database, model).catch_up()
    with database.read() as session:
        (batch,) = session.exec(select(RecordedBatch)).all()
    assert (batch.phase, batch.outcome, batch.paid, batch.slashed, batch.seed_block) == (
        "settled",
        "pass",
        10**20,
        0,
        9,
    )
    database.close()


def test_index__with_confirmations__stays_behind_the_head(tmp_path: Path) -> None:
    model = ModelChain()
    for number in range(1, 6):
        model.mine(job_opened(number))
    database = new_database(tmp_path, "live")
    indexer_over(database, model, confirmations=2).catch_up()
    assert len(tables(database)["Job"]) == 3
    database.close()


class Liar:
    """An endpoint over the model that goes wrong in one way."""

    def __init__(self, model: ModelChain) -> None:
        self.model = model
        self.queries: list[tuple[int, int]] = []

    def head(self) -> Head:
        return self.model.head()

    def block(self, number: int) -> tuple[bytes, bytes] | None:
        return self.model.block(number)

    def events(self, first: int, last: int) -> list[Event]:
        self.queries.append((first, last))
        return self.model.events(first, last)


class Repeating(Liar):
    def events(self, first: int, last: int) -> list[Event]:
        return list(reversed(super().events(first, last))) * 2


class FromAnotherFork(Liar):
    """Its logs come from a node that has not seen the reorganisation."""

    def __init__(self, model: ModelChain) -> None:
        super().__init__(model)
        self.stale = [list(block.events) for block in model.blocks]
        model.reorganise(1)
        model.mine(job_opened(8))

    def events(self, first: int, last: int) -> list[Event]:
        return [event for events in self.stale[first : last + 1] for event in events]


class ReorganisedMeanwhile(Liar):
    """The chain changes between the look at the block and the answer to the log query."""

    def events(self, first: int, last: int) -> list[Event]:
        found = super().events(first, last)
        if len(self.queries) > 1:
            return found
        self.model.reorganise(1)
        self.model.mine(job_opened(9))
        return [event for event in found if event.block_number < last]


class Narrow(Liar):
    """Refuses ranges of more than two blocks."""

    def events(self, first: int, last: int) -> list[Event]:
        found = super().events(first, last)
        if last - first > 1:
            raise RangeRefusedError("The range is too wide.")
        return found


def test_endpoint__that_repeats_and_disorders_logs__makes_no_difference(tmp_path: Path) -> None:
    model = ModelChain()
    for number in range(1, 6):
        model.mine(job_opened(number), batch_event(number, "Recorded"))
    database = new_database(tmp_path, "live")
    indexer_over(database, Repeating(model)).catch_up()
    assert tables(database) == rebuilt(model, tmp_path)
    database.close()


@pytest.mark.parametrize("liar", [FromAnotherFork, ReorganisedMeanwhile])
def test_endpoint__whose_answers_contradict_each_other__is_not_believed(tmp_path: Path, liar: type[Liar]) -> None:
    model = ModelChain()
    for number in range(1, 4):
        model.mine(job_opened(number))
    database = new_database(tmp_path, "live")
    with pytest.raises(InconsistentEndpointError):
        indexer_over(database, liar(model)).catch_up()
    assert tables(database)["ChainEvent"] == []
    indexer_over(database, model).catch_up()
    assert tables(database) == rebuilt(model, tmp_path)
    database.close()


def test_endpoint__that_limits_ranges__is_asked_for_less(tmp_path: Path) -> None:
    model = ModelChain()
    for number in range(1, 12):
        model.mine(job_opened(number))
    database = new_database(tmp_path, "live")
    source = Narrow(model)
    indexer_over(database, source, log_range=8).catch_up()
    assert tables(database) == rebuilt(model, tmp_path)
    assert max(last - first for first, last in source.queries[1:]) <= 3
    database.close()


def test_chain__that_is_shorter_than_the_index__is_followed_back(tmp_path: Path) -> None:
    model = ModelChain()
    for number in range(1, 6):
        model.mine(job_opened(number))
    database = new_database(tmp_path, "live")
    indexer = indexer_over(database, model)
    indexer.catch_up()
    model.reorganise(3)
    indexer.catch_up()
    assert tables(database) == rebuilt(model, tmp_path)
    assert len(tables(database)["Job"]) == 2
    database.close()


class ReorganisedBefore(Liar):
    """The chain changes under the last block that was read, just after that block was looked at."""

    def head(self) -> Head:
        if not self.queries:
            self.queries.append((0, 0))
            self.model.reorganise(2)
            for number in (7, 8, 9):
                self.model.mine(job_opened(number))
        return super().head()


def test_range__that_does_not_follow_what_was_read__is_not_added_to_it(tmp_path: Path) -> None:
    model = ModelChain()
    for number in range(1, 4):
        model.mine(job_opened(number))
    database = new_database(tmp_path, "live")
    indexer_over(database, model).catch_up()
    with pytest.raises(InconsistentEndpointError):
        indexer_over(database, ReorganisedBefore(model)).step()
    indexer_over(database, model).catch_up()
    assert tables(database) == rebuilt(model, tmp_path)
    database.close()
