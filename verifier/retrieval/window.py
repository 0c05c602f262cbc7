"""A window of a retrieval job, worked out from the evidence: who is paid what, and how far each source is believed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak

from chain.contribution import Leaf, MalformedRecordError
from chain.merkle import MerkleTree, leaf_hash, merkle_proof, merkle_root, verify_proof
from chain.typed_data import SourceDomain
from scoring.retrieval.errors import RetrievalError
from scoring.retrieval.search import PassageIndex, terms
from scoring.retrieval.standings import Standings
from scoring.training.payout import payout
from verifier.retrieval.book import RegisteredSource
from verifier.retrieval.corpus import RELEVANCE_UNIT, read_index
from verifier.retrieval.errors import UnusableAnswerError
from verifier.retrieval.exchange import Answer, Query
from verifier.retrieval.learning import credits_of, first_state, learn, priors_of, standings_of, state_of
from verifier.retrieval.records import QueryRecord, RetrievalJob, WindowHeader, WindowState
from verifier.shared.blocks import Fetch, needed
from verifier.workloads.errors import MalformedEvidenceError

RELIABILITY_UNIT = 10**6
# A passage may be so many times as far down as asked for when a search is run again: ties may fall otherwise elsewhere.
_SLACK = 2
# Millionths by which two machines' relevances may differ.
_TOLERANCE = 2
# Why a source is not paid.
GONE = "it was retired or slashed"
NOT_PUBLISHED = "its index is not published, or is none"
FALSE = "a search in its index finds something else than it answered"
_TAG = keccak(text="merit source reliabilities")


@dataclass(frozen=True)
class RecordedWindow:
    """A window as the chain has it, in the block that recorded it.

    leaves: of the manifest, checked against the batch. pot: in the token's smallest unit. sampled: positions whose
    searches are run again. adopted: the root of reliabilities that stood then. ranks: MeritRank of each source's owner.
    """

    job_id: int
    batch_id: bytes
    leaves: Sequence[Leaf]
    pot: int
    sampled: Collection[int]
    adopted: bytes
    sources: Mapping[int, RegisteredSource]
    ranks: Mapping[int, int]


@dataclass(frozen=True)
class WindowResult:
    """What comes of a window.

    refused: sources that are not paid whatever their answers were worth, and why. worth: the sum of each source's
    Shapley values. reliabilities: in millionths. traces: for sampled positions, what is fingerprinted, (1, numbers).
    """

    batch_id: bytes
    adopted: bytes
    shares: dict[ChecksumAddress, int]
    refused: dict[int, str]
    worth: dict[int, float]
    state: WindowState
    reliabilities: dict[int, int]
    traces: dict[int, np.ndarray] = field(compare=False)

    @property
    def payload(self) -> bytes:
        """What the court adopts: the shares on one side, the reliabilities on the other."""
        return merkle_root([self._adoption, self.shares_root])

    @property
    def shares_root(self) -> bytes:
        """Zeros where nobody is paid."""
        return merkle_root(self._share_leaves()) if self.shares else bytes(32)

    @property
    def reliabilities_root(self) -> bytes:
        """What the registry adopts."""
        return self._tree.root

    def share_proof(self, account: ChecksumAddress) -> list[bytes]:
        """What `JobEscrow.claim` asks for; ValueError for an account without a share."""
        return [*merkle_proof(self._share_leaves(), list(self.shares).index(account)), self._adoption]

    def reliability_proof(self, source_id: int) -> list[bytes]:
        """What `SourceRegistry.checkIn` asks for; ValueError for a source that was not there."""
        return self._tree.proof(list(self.reliabilities).index(source_id))

    def state_proof(self) -> list[bytes]:
        """What the next window's header holds."""
        return self._tree.proof(len(self.reliabilities))

    @property
    def _adoption(self) -> bytes:
        return leaf_hash(encode(["bytes32"] * 4, [_TAG, self.batch_id, self.adopted, self.reliabilities_root]))

    @property
    def _tree(self) -> MerkleTree:
        leaves = [reliability_leaf(source, value) for source, value in self.reliabilities.items()]
        return MerkleTree([*leaves, state_leaf(self.state)])

    def _share_leaves(self) -> list[bytes]:
        """As `Leaf.share` of the contracts."""
        return [
            leaf_hash(encode(["bytes32", "address", "uint256"], [self.batch_id, account, amount]))
            for account, amount in self.shares.items()
        ]


def reliability_leaf(source_id: int, reliability: int) -> bytes:
    """As `SourceRegistry.checkIn` makes it."""
    return leaf_hash(encode(["uint256", "uint32"], [source_id, reliability]))


def state_leaf(state: WindowState) -> bytes:
    """The leaf of a state; longer than a reliability before it is hashed, so that it can never pass for one."""
    return leaf_hash(encode(["string", "uint64", "bytes32"], ["merit retrieval state", state.window, state.digest]))


def work_out(job: RetrievalJob, domain: SourceDomain, recorded: RecordedWindow, fetch: Fetch) -> WindowResult:
    """Work a window out; everybody who does gets the same bytes.

    Raises UnavailableBlockError where the organiser did not publish what it has to, MalformedEvidenceError where what
    it recorded is not a window of this job. What sources do wrong is in `refused`.
    """
    if recorded.leaves[0].contributor != job.organiser:
        raise MalformedEvidenceError(f"windows of this job are held by {job.organiser}")
    if sum(leaf.units for leaf in recorded.leaves) != job.units:
        raise MalformedEvidenceError(f"a window of this job is paid by {job.units} units")
    try:
        header = WindowHeader.from_block(needed(fetch, recorded.leaves[0].evidence, "the window's header"))
        state = _start(fetch, header, recorded.adopted)
        records = [
            QueryRecord.from_block(needed(fetch, leaf.evidence, "the record of a query"))
            for leaf in recorded.leaves[1:]
        ]
    except MalformedRecordError as error:
        raise MalformedEvidenceError(str(error)) from error
    _check(records, header.window, job, domain, recorded)

    sampled = {at: record for at, record in enumerate(records, start=1) if at in recorded.sampled}
    reruns = _Reruns(fetch, recorded.sources, sampled.values())
    standings = standings_of(state, priors_of(recorded.ranks))
    worth: dict[int, float] = dict.fromkeys(recorded.sources, 0.0)
    refused = _gone(records, recorded.sources)
    traces: dict[int, np.ndarray] = {}
    for position, record in enumerate(records, start=1):
        learn(standings, record, job, domain)
        earned = credits_of(record, job, domain)
        for source, credit in earned.items():
            worth[source] += credit
        if position in sampled:
            scores, faults = reruns.examine(record)
            refused |= faults
            traces[position] = np.array([[len(scores), *scores, *earned.values()]], np.float32)
    _punish(standings, refused)
    return WindowResult(
        batch_id=recorded.batch_id,
        adopted=recorded.adopted,
        shares=_shares(worth, refused, recorded),
        refused=refused,
        worth=worth,
        state=state_of(header.window, standings),
        reliabilities={
            source: round(standings.evidence[str(source)].reliability * RELIABILITY_UNIT)
            for source in sorted(recorded.sources)
        },
        traces=traces,
    )


def check_record(
    record: QueryRecord,
    window: int,
    job_id: int,
    job: RetrievalJob,
    domain: SourceDomain,
    sources: Mapping[int, RegisteredSource],
) -> None:
    """Raise MalformedEvidenceError unless an honest organiser could have recorded this in this window."""
    query = record.asked.query
    if (query.job_id, query.window) != (job_id, window) or record.asked.asker(domain) != job.organiser:
        raise MalformedEvidenceError("a query is not one of this window by its organiser")
    digest = query.digest(domain)
    for answer in record.answers:
        source = sources.get(answer.source_id)
        if source is None or answer.signer(domain, digest) != source.owner:
            raise MalformedEvidenceError(f"source {answer.source_id} did not give this answer to this query")
        try:
            answer.check(source.commitments.get(answer.version), query.count)
        except UnusableAnswerError as error:
            raise MalformedEvidenceError(str(error)) from error


def _check(
    records: Sequence[QueryRecord], window: int, job: RetrievalJob, domain: SourceDomain, recorded: RecordedWindow
) -> None:
    for record in records:
        check_record(record, window, recorded.job_id, job, domain, recorded.sources)
    digests = {record.asked.query.digest(domain) for record in records}
    if len(digests) != len(records):
        raise MalformedEvidenceError("a query is recorded twice")


def _start(fetch: Fetch, header: WindowHeader, adopted: bytes) -> WindowState:
    """The state that the registry adopted last. Raises as `work_out`, and MalformedRecordError."""
    if adopted == bytes(32):
        state = first_state()
        right = header.state == state.digest
    else:
        state = WindowState.from_block(needed(fetch, header.state, "the state of the window before"))
        right = verify_proof(state_leaf(state), header.proof, adopted)
    if not right or header.window != state.window + 1:
        raise MalformedEvidenceError("the window does not start from the reliabilities that were adopted last")
    return state


def _gone(records: Sequence[QueryRecord], sources: Mapping[int, RegisteredSource]) -> dict[int, str]:
    """Sources that answered and left, or were slashed, before the window was recorded."""
    answered = sorted({answer.source_id for record in records for answer in record.answers})
    return {source: GONE for source in answered if not sources[source].active}


class _Reruns:
    """Searches that are run again, each index read once."""

    def __init__(self, fetch: Fetch, sources: Mapping[int, RegisteredSource], records: Iterable[QueryRecord]) -> None:
        """All blocks are fetched before anything is computed: what is not there yet costs no work."""
        self._sources = sources
        digests = sorted({self._digest(answer) for record in records for answer in record.answers})
        self._blocks = {digest: fetch(digest) for digest in digests}
        self._read: dict[bytes, tuple[list[list[str]], PassageIndex] | None] = {}

    def examine(self, record: QueryRecord) -> tuple[list[float], dict[int, str]]:
        """The relevances that were found again, and what is wrong with which source's answer."""
        scores: list[float] = []
        faults: dict[int, str] = {}
        for answer in record.answers:
            found = self._index(self._digest(answer))
            if found is None:
                faults[answer.source_id] = NOT_PUBLISHED
                continue
            again, right = _search_again(*found, record.asked.query, answer)
            scores += again
            if not right:
                faults[answer.source_id] = FALSE
        return scores, faults

    def _digest(self, answer: Answer) -> bytes:
        return self._sources[answer.source_id].commitments[answer.version].index

    def _index(self, digest: bytes) -> tuple[list[list[str]], PassageIndex] | None:
        if digest not in self._read:
            block = self._blocks[digest]
            try:
                corpus = None if block is None else read_index(block)
                self._read[digest] = None if corpus is None else (corpus, PassageIndex(corpus))
            except (MalformedRecordError, RetrievalError):
                self._read[digest] = None
        return self._read[digest]


def _search_again(
    corpus: Sequence[Sequence[str]], index: PassageIndex, query: Query, answer: Answer
) -> tuple[list[float], bool]:
    """The relevance of each place of the answer, and whether the answer is that of the index.

    The place must hold the terms of the passage, its relevance must be that of the index, and it must be among the
    first; and no fewer passages may come than the index has.
    """
    found = {match.position: match.relevance for match in index.search(query.text, _SLACK * query.count)}
    right = len(answer.passages) == min(query.count, len(found))
    scores = []
    for passage in answer.passages:
        relevance = found.get(passage.position)
        scores.append(-1.0 if relevance is None else round(relevance, 6))
        right &= (
            relevance is not None
            and abs(relevance * RELEVANCE_UNIT - passage.relevance) <= _TOLERANCE
            and sorted(terms(passage.text)) == sorted(corpus[passage.position])
        )
    return scores, right


def _punish(standings: Standings, refused: Mapping[int, str]) -> None:
    """What a source states of its own relevance is all that others rank it by: a false statement is a wrong answer.

    Who keeps its index stated nothing that could be seen to be false.
    """
    for source in sorted(source for source, reason in refused.items() if reason == FALSE):
        standings.evidence[str(source)] = standings.evidence[str(source)].after(-1.0)


def _shares(
    worth: Mapping[int, float], refused: Collection[int], recorded: RecordedWindow
) -> dict[ChecksumAddress, int]:
    """The pot by the positive part of what the answers were worth; owners of several sources have one share."""
    payable = {str(source): credit for source, credit in worth.items() if source not in refused}
    shares: dict[ChecksumAddress, int] = {}
    for source, share in payout(payable, recorded.pot).items():
        owner = recorded.sources[int(source)].owner
        shares[owner] = shares.get(owner, 0) + share
    return dict(sorted(shares.items()))
