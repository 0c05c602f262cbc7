"""Epochs: what they were proposed with, recomputed from the events, and proven to the oracle."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock

from eth_typing import ChecksumAddress
from sqlmodel import Session

from backend.database import Database
from backend.indexer import repository as index
from backend.indexer.models import ChainEvent
from verifier.epochs.boundary import TRUST, BoundaryGraph, error_bound
from verifier.epochs.history import question_of
from verifier.epochs.proposals import Question
from verifier.epochs.rows import ScoreParameters, build_rows, build_visits
from verifier.epochs.tree import RowTree

_ENDS = {"Voided": "voided", "Finalized": "final"}


@dataclass(frozen=True)
class Epoch:
    """A closed epoch; `status`: closed, proposed, voided or final. What a proposal says is None before there is one.

    error_bound: how far visits that pass every check can be from the truth in all.
    """

    number: int
    closed_block: int
    node_count: int
    status: str
    error_bound: float
    proposer: str | None = None
    rows_root: str | None = None
    rows_digest: str | None = None
    finalizable_at: int | None = None


class EpochReader:
    """Epochs and scores from the indexed events alone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = Lock()
        self._computed: dict[tuple[object, ...], RowTree] = {}

    def epochs(self) -> list[Epoch]:
        """All closed epochs, newest first."""
        with self._database.read() as session:
            events = _in_order(session, "EpochClosed", "Proposed", "Voided", "Finalized")
            feedback = index.events_named(session, "FeedbackRecorded")
            epochs: dict[int, Epoch] = {}
            for event in events:
                number = event.args["epoch"]
                if number not in epochs:
                    edges = {
                        (entry.args["from"], entry.args["to"])
                        for entry in feedback
                        if entry.args["feedback"] == TRUST and entry.args["epoch"] <= number
                    }
                    nodes = event.args["nodeCount"]
                    bound = error_bound(nodes, len(edges), _parameters(session, number).stop)
                    epochs[number] = Epoch(number, event.block_number, nodes, "closed", bound)
                else:
                    epochs[number] = _advance(epochs[number], event)
        return sorted(epochs.values(), key=lambda epoch: -epoch.number)

    def questions(self, epoch: int, attempt: int) -> list[Question]:
        """What was asked about the last proposal for an epoch, its `attempt`-th."""
        with self._database.read() as session:
            events = _in_order(session, "Proposed", "RowDemanded", "DiagonalChallenged")
        about = [event for event in events if event.args["epoch"] == epoch]
        last = max((place for place, event in enumerate(about) if event.name == "Proposed"), default=len(about))
        found = [question_of(event.name, event.args, attempt) for event in about[last:]]
        return [question for question in found if question is not None]

    def visits(self, epoch: int, subject: ChecksumAddress) -> RowTree:
        """The visits by walks that begin at `subject`, over the edges as they were when `epoch` closed."""
        graph, parameters = self._inputs(epoch, lambda args_epoch: args_epoch <= epoch)
        return RowTree(epoch, build_visits(graph, parameters, subject), subject)

    def has_closed(self, number: int) -> bool:
        """Whether the index has come to the close of an epoch, so that its edges are all there."""
        with self._database.read() as session:
            return any(event.args["epoch"] == number for event in index.events_named(session, "EpochClosed"))

    def has_feedback_since(self, number: int) -> bool:
        """Whether any feedback belongs to an epoch after `number`."""
        with self._database.read() as session:
            return any(event.args["epoch"] > number for event in index.events_named(session, "FeedbackRecorded"))

    def scores(self, epoch: int) -> RowTree:
        """Of the edges as they were when `epoch` closed."""
        return self._scores(epoch, lambda args_epoch: args_epoch <= epoch)

    def scores_now(self) -> RowTree:
        """Of all edges that are indexed, with the newest parameters."""
        return self._scores(0, lambda _: True)

    def checked_in(self) -> dict[str, int]:
        """The score that each account was last checked in with."""
        with self._database.read() as session:
            return {
                event.args["account"]: int(event.args["score"]) for event in index.events_named(session, "CheckedIn")
            }

    def _scores(self, epoch: int, counts: Callable[[int], bool]) -> RowTree:
        with self._lock:
            graph, parameters = self._inputs(epoch, counts)
            weights = sum(
                sum(edges.values()) for side in (graph.trusting, graph.distrusting) for edges in side.values()
            )
            # Weights only grow, so their sum tells graphs apart.
            key = (epoch, weights, parameters.stop, parameters.bridge_decay, tuple(parameters.seeds.items()))
            found = self._computed.get(key)
            if found is None:
                found = RowTree(epoch, build_rows(graph, parameters))
                while len(self._computed) >= 4:
                    del self._computed[next(iter(self._computed))]
                self._computed[key] = found
        return found

    def _inputs(self, epoch: int, counts: Callable[[int], bool]) -> tuple[BoundaryGraph, ScoreParameters]:
        with self._database.read() as session:
            parameters = _parameters(session, epoch)
            feedback = _in_order(session, "FeedbackRecorded")
        return BoundaryGraph.from_feedback(event.args for event in feedback if counts(event.args["epoch"])), parameters


def _parameters(session: Session, epoch: int) -> ScoreParameters:
    """Those that an epoch was proposed with; the newest before there is a proposal."""
    known = _in_order(session, "ParametersSet")
    named = [event.args["paramsHash"] for event in _in_order(session, "Proposed") if event.args["epoch"] == epoch]
    chosen = [event for event in known if named and event.args["paramsHash"] == named[-1]] or known
    return ScoreParameters.from_event(chosen[-1].args)


def _in_order(session: Session, *names: str) -> list[ChainEvent]:
    events = [event for name in names for event in index.events_named(session, name)]
    return sorted(events, key=lambda event: (event.block_number, event.log_index))


def _advance(epoch: Epoch, event: ChainEvent) -> Epoch:
    args = event.args
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
