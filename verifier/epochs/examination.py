"""Whether a live proposal is right, recomputed from the chain alone."""

from collections.abc import Callable
from dataclasses import dataclass

from eth_typing import ChecksumAddress

from chain.calls import read
from chain.errors import MeritError
from chain.network import Network
from verifier.epochs.boundary import BoundaryGraph
from verifier.epochs.faults import Fault, find_faults
from verifier.epochs.history import EpochHistory
from verifier.epochs.proposals import Proposal, Status
from verifier.epochs.rows import ScoreParameters, build_rows
from verifier.epochs.tree import MalformedRowsError, RowTree
from verifier.epochs.withheld import rows_with_answers

# The bytes with a SHA-256 digest, None where nobody has them. Raises `EvidenceUnreachableError` if not all answer.
Fetch = Callable[[bytes], bytes | None]


class NothingProposedError(MeritError):
    """There is no proposal that could be examined."""


class RowsMissingError(MeritError):
    """The rows of an epoch were not published, or are gone."""


@dataclass(frozen=True, eq=False)
class Examination:
    """A proposal beside what its rows should be. published: the proposed tree; None where nobody has its rows."""

    proposal: Proposal
    graph: BoundaryGraph
    parameters: ScoreParameters
    honest: RowTree
    published: RowTree | None
    faults: list[Fault]

    @property
    def is_right(self) -> bool:
        """Whether every row passes every check."""
        return self.published is not None and not self.faults

    @property
    def error_bound(self) -> float:
        """Of rows that pass; see `BoundaryGraph.error_bound`."""
        return self.graph.error_bound(self.parameters.stop)

    @property
    def sentence(self) -> str:
        """In one line: whether it is right and, if not, which row proves it."""
        proposed = f"The proposal for epoch {self.proposal.epoch}"
        if self.published is None:
            return (
                f"{proposed} cannot be checked, because nobody has its rows; demand one with `merit epoch challenge`."
            )
        if not self.faults:
            return (
                f"{proposed} is right: all {len(self.published.rows)} rows pass, so that their visits are within "
                f"{self.error_bound:.3g} of the truth in all."
            )
        return f"{proposed} is wrong: {self.faults[0].sentence}."


def final_scores(network: Network, history: EpochHistory, fetch: Fetch, epoch: int) -> RowTree:
    """The rows of a final epoch; `history` has been read on.

    The published ones, or one's own while the graph is still that of the epoch. Raises `NothingProposedError` where the
    epoch is not final, `RowsMissingError` where nobody has its rows.
    """
    proposal = Proposal.read(network, epoch)
    if proposal.status is not Status.FINAL:
        raise NothingProposedError(f"The scores of epoch {epoch} are not final; name another epoch, or wait.")
    if epoch == read(network.graph.functions.boundary())[0]:
        own = RowTree(epoch, build_rows(history.graph(), history.parameters()))
        if own.root == proposal.rows_root:
            return own
    digest = bytes(history.attempt(epoch)[0].args["rowsCid"])
    published = published_tree(digest, proposal.rows_root, proposal, fetch)
    if published is None:
        raise RowsMissingError(f"Nobody has the rows of epoch {epoch}; name another API with --evidence.")
    return published


def live_proposal(network: Network) -> Proposal:
    """The proposal for the epoch closed last. Raises `NothingProposedError` unless it is live."""
    epoch, _, _ = read(network.graph.functions.boundary())
    proposal = Proposal.read(network, epoch)
    if proposal.status is not Status.LIVE:
        raise NothingProposedError(f"No proposal for epoch {epoch} is live; wait until one is made.")
    return proposal


def examine(network: Network, history: EpochHistory, fetch: Fetch, proposal: Proposal) -> Examination:
    """Compare a live proposal with one's own rows; `history` has been read on.

    A root that is one's own needs no published rows; else they come from the evidence, or from what was answered on
    the chain. Raises `ChainUnavailableError`, `IncompleteLogError` and what `fetch` does.
    """
    graph, parameters = history.graph(), history.parameters()
    honest = RowTree(proposal.epoch, build_rows(graph, parameters))
    published: RowTree | None = honest
    if honest.root != proposal.rows_root:
        digest = bytes(history.attempt(proposal.epoch)[0].args["rowsCid"])
        published = published_tree(digest, proposal.rows_root, proposal, fetch)
    if published is None:
        told = rows_with_answers(history, honest)
        published = told if told.root == proposal.rows_root else None
    faults = list(find_faults(published, graph, parameters, honest)) if published not in (None, honest) else []
    return Examination(proposal, graph, parameters, honest, published, faults)


def published_tree(
    digest: bytes, root: bytes, proposal: Proposal, fetch: Fetch, subject: ChecksumAddress | None = None
) -> RowTree | None:
    """The published rows of a proposal, or of the visits that answer for a diagonal; None if they are not there."""
    document = fetch(digest)
    if document is None:
        return None
    try:
        tree = RowTree.parse(document, proposal.epoch, subject)
    except MalformedRowsError:
        return None
    return tree if tree.root == root and len(tree.rows) == proposal.row_count else None
