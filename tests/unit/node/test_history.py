"""The copy of the chain's events: after any reorganisation it is what a fresh reading gives."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.events import Event
from verifier.node.history import History

FIRST_BLOCK = 3


@dataclass
class Chain:
    """Blocks from number 0; each is its hash and the batches that something happened to in it."""

    blocks: list[tuple[bytes, list[bytes]]] = field(default_factory=lambda: [(b"genesis", [])])
    mined: int = 0

    def mine(self, batches: list[bytes]) -> None:
        self.mined += 1
        self.blocks.append((b"block %d" % self.mined, batches))

    def reorganise(self, depth: int, replacement: list[list[bytes]]) -> None:
        del self.blocks[max(1, len(self.blocks) - depth) :]
        for batches in replacement:
            self.mine(batches)

    def head(self) -> int:
        return len(self.blocks) - 1

    def block_hash(self, number: int) -> bytes | None:
        return self.blocks[number][0] if number < len(self.blocks) else None

    def batch_events(self, first: int, last: int) -> list[Event]:
        return [
            Event("AuditCourt", "Committed", {"batchId": batch, "round": number}, number, block_hash, b"tx", index)
            for number, (block_hash, batches) in enumerate(self.blocks)
            if first <= number <= last
            for index, batch in enumerate(batches)
        ]


def _contents(history: History) -> dict[bytes, list[Event]]:
    return {batch: history.events_of(batch) for batch in history.batches()}


batches = st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=3)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("mine"), batches),
        st.tuples(st.just("reorganise"), st.tuples(st.integers(1, 10), st.lists(batches, min_size=1, max_size=12))),
        st.just(("advance", None)),
        st.just(("restart", None)),
    ),
    max_size=40,
)


@settings(max_examples=30, deadline=None)
@given(operations, st.integers(0, 3))
def test_advance__any_reorganisations_and_restarts__same_as_a_fresh_reading(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]], confirmations: int
) -> None:
    folder = tmp_path_factory.mktemp("history")
    chain, history = Chain(), History(folder / "history.sqlite", FIRST_BLOCK)
    shown: dict[bytes, list[Event]] = {}
    for name, argument in [*steps, ("mine", []), ("advance", None)]:
        if name == "mine":
            chain.mine(argument)  # type: ignore[arg-type]
        elif name == "reorganise":
            chain.reorganise(*argument)  # type: ignore[misc]
        elif name == "restart":
            history.close()
            history = History(folder / "history.sqlite", FIRST_BLOCK)
        else:
            for batch in history.advance(chain, confirmations):
                shown[batch] = history.events_of(batch)
    height = history.next_block
    # A chain that became shorter than what was read is waited for; everything else is as on a first visit.
    if height <= chain.head() - confirmations + 1:
        fresh = History(folder / "fresh.sqlite", FIRST_BLOCK)
        fresh.advance(chain, confirmations)
        assert _contents(history) == _contents(fresh)
        assert {batch: events for batch, events in shown.items() if events} == _contents(fresh)
        fresh.close()
    history.close()


def test_advance__head_behind__nothing_forgotten(tmp_path: Path) -> None:
    chain, history = Chain(), History(tmp_path / "history.sqlite", 1)
    for _ in range(5):
        chain.mine([b"a"])
    history.advance(chain, 0)
    behind = Chain(chain.blocks[:3])
    assert history.advance(behind, 0) == set()
    assert len(history.events_of(b"a")) == 5
    history.close()


def test_advance__chain_changes_while_it_is_read__nothing_kept_of_it(tmp_path: Path) -> None:
    class Changing(Chain):
        def batch_events(self, first: int, last: int) -> list[Event]:
            events = super().batch_events(first, last)
            self.reorganise(1, [[b"b"]])
            return events

    chain, history = Changing(), History(tmp_path / "history.sqlite", 1)
    chain.mine([b"a"])
    assert history.advance(chain, 0) == set()
    assert history.batches() == set()
    history.close()


def test_advance__endpoint_leaves_logs_out_once__they_are_read_later(tmp_path: Path) -> None:
    class Lagging(Chain):
        behind: bool = True

        def batch_events(self, first: int, last: int) -> list[Event]:
            return [] if self.behind else super().batch_events(first, last)

    chain, history = Lagging(), History(tmp_path / "history.sqlite", 1)
    chain.mine([b"a"])
    assert history.advance(chain, 0) == set()
    chain.behind = False
    chain.mine([b"b"])
    assert history.advance(chain, 0) == {b"a", b"b"}
    chain.mine([])
    assert history.advance(chain, 0) == set()
    assert (len(history.events_of(b"a")), len(history.events_of(b"b"))) == (1, 1)
    history.close()


def test_events_of__bytes_and_structs__as_they_were_read(tmp_path: Path) -> None:
    arguments = {"batchId": b"a", "batch": {"dataHash": b"\x01", "units": 2**70}, "digests": [2**256 - 1]}

    class One(Chain):
        def batch_events(self, first: int, last: int) -> list[Event]:
            return [Event("AuditCourt", "Recorded", arguments, 1, b"block 1", b"tx", 0)]

    chain, history = One(), History(tmp_path / "history.sqlite", 1)
    chain.mine([])
    history.advance(chain, 0)
    assert history.events_of(b"a") == [Event("AuditCourt", "Recorded", arguments, 1, b"block 1", b"tx", 0)]
    history.close()
