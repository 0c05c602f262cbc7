"""Epochs: what they were proposed with, recomputed from the events, and proven to the oracle."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock

from sqlmodel import Session

from backend.database import Database
from backend.epochs.rows import Row, ScoreParameters, build_rows
from backend.indexer import repository as index
from backend.indexer.models import ChainEvent
from chain.contribution import canonical_json
from chain.merkle import merkle_proof, merkle_root

_ENDS = {"Voided": "voided", "Finalized": "final"}


@dataclass(frozen=True)
class Epoch:
    """A closed epoch; `status`: closed, proposed, voided or final. What a proposal says is None before there is one."""

    number: int
    closed_block: int
    node_count: int
    status: str
    proposer: str | None = None
    rows_root: str | None = None
    rows_digest: str | None = None
    finalizable_at: int | None = None


@dataclass(frozen=True)
class EpochScores:
    """The rows of an epoch and their tree."""

    epoch: int
    rows: list[Row]
    leaves: list[bytes]

    @property
    def root(self) -> bytes:
        """What `propose` takes."""
        return merkle_root(self.leaves)

    @property
    def document(self) -> bytes:
        """The published rows; `propose` takes the digest."""
        rows = [[row.index, row.account, row.visits, row.diagonal, row.bridge, row.score] for row in self.rows]
        return canonical_json({"epoch": self.epoch, "rows": rows})

    def row_of(self, account: str) -> tuple[Row, list[bytes]] | None:
        """An account's row and its proof; None for an account without feedback."""
        for row in self.rows:
            if row.account == account:
                return row, merkle_proof(self.leaves, row.index)
        return None


class EpochReader:
    """Epochs and scores from the indexed events alone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._computed: dict[tuple[int, int, int], EpochScores] = {}

    def epochs(self) -> list[Epoch]:
        """All closed epochs, newest first."""
        with self._database.read() as session:
            events = [
                event
                for name in ("EpochClosed", "Proposed", "Voided", "Finalized")
                for event in index.events_named(session, name)
            ]
        events.sort(key=lambda event: (event.block_number, event.log_index))
        epochs: dict[int, Epoch] = {}
        for event in events:
            epochs[event.args["epoch"]] = _advance(epochs.get(event.args["epoch"]), event)
        return sorted(epochs.values(), key=lambda epoch: -epoch.number)

    def has_closed(self, number: int) -> bool:
        """Whether the index has come to the close of an epoch, so that its edges are all there."""
        with self._database.read() as session:
            return any(event.args["epoch"] == number for event in index.events_named(session, "EpochClosed"))

    def has_feedback_since(self, number: int) -> bool:
        """Whether any feedback belongs to an epoch after `number`."""
        with self._database.read() as session:
            return any(event.args["epoch"] > number for event in index.events_named(session, "FeedbackRecorded"))

    def scores(self, epoch: int) -> EpochScores:
        """Of the edges as they were when `epoch` closed."""
        return self._scores(epoch, lambda args_epoch: args_epoch <= epoch)

    def scores_now(self) -> EpochScores:
        """Of all edges that are indexed, with the newest parameters."""
        return self._scores(0, lambda _: True)

    def checked_in(self) -> dict[str, int]:
        """The score that each account was last checked in with."""
        with self._database.read() as session:
            return {
                event.args["account"]: int(event.args["score"]) for event in index.events_named(session, "CheckedIn")
            }

    def _scores(self, epoch: int, counts: Callable[[int], bool]) -> EpochScores:
        with self._database.read() as session:
            parameters = _parameters(session)
            feedback = index.events_named(session, "FeedbackRecorded")
        chosen = [event.args for event in feedback if counts(event.args["epoch"])]
        key = (
            epoch,
            len(chosen),
            hash(frozenset(parameters.seeds.items())) ^ parameters.stop ^ parameters.bridge_decay,
        )
        with self._lock:
            found = self._computed.get(key)
            if found is None:
                rows = build_rows(chosen, parameters)
                found = EpochScores(epoch, rows, [row.leaf(epoch) for row in rows])
                while len(self._computed) >= 4:
                    del self._computed[next(iter(self._computed))]
                self._computed[key] = found
        return found


def _parameters(session: Session) -> ScoreParameters:
    return ScoreParameters.from_event(index.events_named(session, "ParametersSet")[-1].args)


def _advance(epoch: Epoch | None, event: ChainEvent) -> Epoch:
    args = event.args
    if epoch is None:
        return Epoch(args["epoch"], event.block_number, args["nodeCount"], "closed")
    if event.name in _ENDS:
        return replace(epoch, status=_ENDS[event.name])
    return replace(
        epoch,
        status="proposed",
        proposer=args["proposer"],
        rows_root=args["rowsRoot"],
        rows_digest=args["rowsCid"],
        finalizable_at=args["finalizableAt"],
    )
