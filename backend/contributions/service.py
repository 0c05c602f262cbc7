"""Taking contributions in: checked, signed for, stored, and only then acknowledged."""

from collections.abc import Callable
from threading import Lock

from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from backend.batches.closing import BatchCloser
from backend.contributions import repository
from backend.contributions.models import Contribution, OpenBatch
from backend.contributions.open_leaves import OpenLeaves
from backend.contributions.schemas import Submission
from backend.database import Database
from backend.jobs.service import JobBook
from backend.operation.limits import RateLimit
from backend.problems import ProblemError
from backend.signatures import SignatureChecker
from chain.contribution import MAX_BATCH_LEAVES, Leaf
from chain.typed_data import Domain, sign

_STRIPES = 64
_CACHED_BATCHES = 4096


class ContributionService:
    """One per process. Submissions of one contributor to one job are taken one after the other."""

    def __init__(
        self,
        *,
        database: Database,
        jobs: JobBook,
        closer: BatchCloser,
        signatures: SignatureChecker,
        domain: Domain,
        recorder: BaseAccount,
        batch_leaves: int,
        signature_margin: float,
        limit: RateLimit,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._jobs = jobs
        self._closer = closer
        self._signatures = signatures
        self._domain = domain
        self._recorder = recorder
        self._batch_leaves = batch_leaves
        self._signature_margin = signature_margin
        self._limit = limit
        self._clock = clock
        self._stripes = [Lock() for _ in range(_STRIPES)]
        self._cache: dict[tuple[int, str], OpenLeaves] = {}

    @property
    def recorder(self) -> ChecksumAddress:
        """Whose signature the receipts bear."""
        return self._recorder.address

    def submit(self, submission: Submission) -> tuple[list[Contribution], int, int]:
        """Accept new leaves. Returns their rows, the first number of the open batch and the next leaf's number.

        Sending what was accepted before again changes nothing and gives the same receipts.
        """
        leaves = [
            Leaf(submission.job_id, submission.contributor, new.sequence, new.units, new.trace_root, new.evidence)
            for new in submission.leaves
        ]
        ids = [leaf.hash for leaf in leaves]
        key = (submission.job_id, submission.contributor)
        with self._stripes[hash(key) % _STRIPES]:
            remembered = self._cache.pop(key, None)
            if remembered is not None:
                try:
                    return self._accept(submission, leaves, ids, remembered)
                except ProblemError:
                    current = self._load(*key)
                    if (current.first, current.next) == (remembered.first, remembered.next):
                        self._cache[key] = remembered
                        raise
            else:
                current = self._load(*key)
            return self._accept(submission, leaves, ids, current)

    def state(self, job_id: int, contributor: ChecksumAddress) -> tuple[int, list[Contribution], OpenBatch | None]:
        """The first open number, the open leaves and the signature over them, if it stands."""
        with self._database.read() as session:
            first = repository.next_first(session, job_id, contributor)
            return (
                first,
                repository.leaves_from(session, job_id, contributor, first),
                repository.open_batch(session, job_id, contributor),
            )

    def _load(self, job_id: int, contributor: ChecksumAddress) -> OpenLeaves:
        with self._database.read() as session:
            first = repository.next_first(session, job_id, contributor)
            rows = repository.leaves_from(session, job_id, contributor, first)
        open_leaves = OpenLeaves(job_id, contributor, first)
        for row in rows:
            open_leaves.append(row.leaf, row.id)
        return open_leaves

    def _accept(
        self, submission: Submission, leaves: list[Leaf], ids: list[bytes], open_leaves: OpenLeaves
    ) -> tuple[list[Contribution], int, int]:
        """With `open_leaves` as they were a moment ago; a 409 problem where they have changed since."""
        known: list[Contribution] = []
        if leaves and leaves[0].sequence < open_leaves.next:  # some of it may have been sent before
            with self._database.read() as session:
                known = repository.find_all(session, ids)
            if len(known) == len(leaves):
                return known, open_leaves.first, open_leaves.next
        extended = _extend(open_leaves, submission.first, leaves, ids)
        self._check(submission, extended)
        now = int(self._clock())
        fresh = [
            self._receive(leaf, leaf_id, now)
            for leaf, leaf_id in zip(leaves, ids, strict=True)
            if leaf.sequence >= open_leaves.next
        ]
        closed = self._store(submission, open_leaves, extended, fresh, now)
        if not closed:
            self._remember(extended)
        return [*known, *fresh], extended.next if closed else open_leaves.first, extended.next

    def _check(self, submission: Submission, extended: OpenLeaves) -> None:
        """Refuse what the chain would refuse later. No transaction is open here: this may ask the chain."""
        if not extended.ids:
            raise ProblemError(409, "nothing-to-sign", "There are no open leaves; send at least one.")
        if len(extended.ids) > MAX_BATCH_LEAVES:
            raise ProblemError(
                409, "batch-too-large", f"A batch holds {MAX_BATCH_LEAVES} leaves at most; send fewer at once."
            )
        if submission.deadline < self._clock() + self._signature_margin:
            raise ProblemError(
                409,
                "deadline-too-near",
                f"The signature must be good for {self._signature_margin:.0f} more seconds; sign a later deadline.",
            )
        batch = extended.batch(submission.deadline)
        self._jobs.check_can_record(batch)
        if not self._signatures.signed_by(batch.contributor, self._domain.batch(batch), submission.signature):
            raise ProblemError(
                403,
                "wrong-signature",
                f"The signature is not {batch.contributor}'s over {batch.count} leaves from number {batch.first} on; "
                "sign the batch of all open leaves.",
                first=batch.first,
                count=batch.count,
            )
        self._limit.admit(batch.contributor)  # only now: nobody can use up what is another's

    def _receive(self, leaf: Leaf, leaf_id: bytes, now: int) -> Contribution:
        return Contribution(
            id=leaf_id,
            job_id=leaf.job_id,
            contributor=leaf.contributor,
            sequence=leaf.sequence,
            units=leaf.units,
            trace_root=leaf.trace_root,
            evidence=leaf.evidence,
            received_at=now,
            receipt=sign(self._recorder, self._domain.receipt(leaf, now)),
        )

    def _store(
        self,
        submission: Submission,
        open_leaves: OpenLeaves,
        extended: OpenLeaves,
        fresh: list[Contribution],
        now: int,
    ) -> bool:
        """Write the new leaves and the signature over all that are open. Returns whether that closed the batch."""
        first, before = open_leaves.first, len(open_leaves.ids)
        key = (submission.job_id, submission.contributor)
        try:
            with self._database.write() as session:
                row = repository.open_batch(session, *key, lock=True)
                if row is None:
                    self._require_unchanged(session, key, first, before)
                    row = OpenBatch(
                        job_id=key[0],
                        contributor=key[1],
                        first=first,
                        count=0,
                        deadline=0,
                        signature=b"",
                        opened_at=now,
                    )
                elif (row.first, row.count) != (first, before):
                    raise _moved(row.first, row.first + row.count)
                row.count, row.deadline = len(extended.ids), submission.deadline
                row.signature = submission.signature
                session.add(row)
                repository.add_all(session, fresh)
                closed = row.count >= self._batch_leaves
                if closed:
                    session.flush()
                    self._closer.close(session, row, now)
        except IntegrityError:  # another process was faster
            raise _moved(first, open_leaves.next) from None
        return closed

    def _remember(self, open_leaves: OpenLeaves) -> None:
        if len(self._cache) >= _CACHED_BATCHES:
            self._cache.clear()
        self._cache[(open_leaves.job_id, open_leaves.contributor)] = open_leaves

    def _require_unchanged(self, session: Session, key: tuple[int, str], first: int, before: int) -> None:
        current = repository.next_first(session, *key)
        count = len(repository.leaves_from(session, *key, current))
        if (current, count) != (first, before):
            raise _moved(current, current + count)


def _extend(open_leaves: OpenLeaves, first: int, leaves: list[Leaf], ids: list[bytes]) -> OpenLeaves:
    """The open leaves with the new ones behind them. Those that are known already must be the same."""
    if first != open_leaves.first:
        raise _moved(open_leaves.first, open_leaves.next)
    extended = open_leaves.copy()
    for leaf, leaf_id in zip(leaves, ids, strict=True):
        position = leaf.sequence - first
        if 0 <= position < len(extended.ids) and extended.ids[position] == leaf_id:
            continue
        if leaf.sequence != extended.next:
            raise ProblemError(
                409,
                "wrong-sequence",
                f"Leaf {leaf.sequence} cannot be taken; the next new leaf has number {extended.next}.",
                first=first,
                next=open_leaves.next,
            )
        extended.append(leaf, leaf_id)
    return extended


def _moved(first: int, following: int) -> ProblemError:
    return ProblemError(
        409,
        "batch-moved-on",
        f"The open batch begins at leaf {first} and goes on with leaf {following}; sign again over it.",
        first=first,
        next=following,
    )
