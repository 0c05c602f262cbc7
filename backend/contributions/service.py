"""Taking contributions in: checked, signed for, stored, and only then acknowledged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.signers.base import BaseAccount
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from backend.batches.closing import BatchCloser
from backend.contributions import repository
from backend.contributions.models import Contribution, OpenBatch
from backend.contributions.open_leaves import OpenLeaves
from backend.contributions.schemas import Accepted, Receipt, Submission
from backend.contributions.timeline import receipt_of
from backend.database import Database, insert_new
from backend.jobs.service import JobBook
from backend.operation.limits import RateLimit
from backend.problems import ProblemError
from backend.signatures import SignatureChecker
from backend.threads import here_if, in_thread
from chain.contribution import MAX_BATCH_LEAVES, Batch, Leaf
from chain.typed_data import Domain, signer_for

_CACHED_BATCHES = 4096
_FEW = 16  # leaves whose hashes and signatures take no longer than a change of threads under load


@dataclass(frozen=True)
class _Addition:
    """What a good submission adds: new leaves, by columns, and a signature over them and the `before` open ones."""

    batch: Batch
    signature: bytes
    before: int
    rows: list[dict[str, Any]]
    is_full: bool
    at: int


class ContributionService:
    """One per process."""

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
        self.recorder: ChecksumAddress = recorder.address
        self._sign = signer_for(recorder)
        self._is_key_here = isinstance(recorder, LocalAccount)
        self._batch_leaves = batch_leaves
        self._signature_margin = signature_margin
        self._limit = limit
        self._clock = clock
        self._cache: dict[tuple[int, str], OpenLeaves] = {}

    async def submit(self, submission: Submission) -> Accepted:
        """Accept new leaves. Sending what was accepted before again changes nothing and gives the same receipts."""
        leaves = [
            Leaf(submission.job_id, submission.contributor, new.sequence, new.units, new.trace_root, new.evidence)
            for new in submission.leaves
        ]
        key = (submission.job_id, submission.contributor)
        open_leaves = self._cache.pop(key, None) or await self._load(*key)
        while True:
            try:
                return await self._accept(submission, leaves, open_leaves)
            except ProblemError:
                current = await self._load(*key)
                if (current.first, current.next) == (open_leaves.first, open_leaves.next):
                    self._remember(open_leaves)
                    raise
                open_leaves = current

    def state(self, job_id: int, contributor: ChecksumAddress) -> tuple[int, list[Contribution], OpenBatch | None]:
        """The first open number, the open leaves and the signature over them, if it stands."""
        with self._database.read() as session:
            first = repository.next_first(session.connection(), job_id, contributor)
            return (
                first,
                repository.leaves_from(session, job_id, contributor, first),
                repository.open_batch(session, job_id, contributor),
            )

    @in_thread
    def _load(self, job_id: int, contributor: ChecksumAddress) -> OpenLeaves:
        with self._database.read() as session:
            first = repository.next_first(session.connection(), job_id, contributor)
            rows = repository.leaves_from(session, job_id, contributor, first)
        open_leaves = OpenLeaves(job_id, contributor, first)
        for row in rows:
            open_leaves.append(row.leaf, row.id)
        return open_leaves

    async def _accept(self, submission: Submission, leaves: list[Leaf], open_leaves: OpenLeaves) -> Accepted:
        """With `open_leaves` as they were a moment ago; a 409 problem where they have changed since."""
        known: list[Receipt] = []
        if leaves and leaves[0].sequence < open_leaves.next:  # some of it may have been sent before
            known = await self._known(leaves)
            if len(known) == len(leaves):
                return self._accepted(known, open_leaves)
        extended = await here_if(len(leaves) <= _FEW, _extend, open_leaves, submission.first, leaves)
        if not extended.ids:
            raise ProblemError(409, "nothing-to-sign", "There are no open leaves; send at least one.")
        batch = extended.batch(submission.deadline)
        await self._check(batch, submission.signature)
        now = int(self._clock())
        new = [leaf for leaf in leaves if leaf.sequence >= open_leaves.next]
        fresh = await here_if(len(new) <= _FEW and self._is_key_here, self._receipts, new, now)
        is_full = batch.count >= self._batch_leaves
        if is_full:
            await in_thread(self._closer.keep)(extended.manifest)
        rows = [_row(leaf, receipt) for leaf, receipt in zip(new, fresh, strict=True)]
        addition = _Addition(batch, submission.signature, len(open_leaves.ids), rows, is_full, now)
        try:
            moved = await self._database.write_together(self._store_all, addition)
        except IntegrityError:  # another process was faster
            moved = _moved(open_leaves.first, open_leaves.next)
        if moved is not None:
            raise moved
        following = OpenLeaves(batch.job_id, batch.contributor, extended.next) if is_full else extended
        return self._accepted([*known, *fresh], following)

    def _accepted(self, receipts: list[Receipt], open_leaves: OpenLeaves) -> Accepted:
        if open_leaves.ids:
            self._remember(open_leaves)
        return Accepted(receipts=receipts, first=open_leaves.first, next=open_leaves.next, recorder=self.recorder)

    @in_thread
    def _known(self, leaves: list[Leaf]) -> list[Receipt]:
        with self._database.read() as session:
            return [receipt_of(row) for row in repository.find_all(session, [leaf.hash for leaf in leaves])]

    async def _check(self, batch: Batch, signature: bytes) -> None:
        """Refuse what the chain would refuse later. No transaction is open here: this may ask the chain."""
        if batch.count > MAX_BATCH_LEAVES:
            raise ProblemError(
                409, "batch-too-large", f"A batch holds {MAX_BATCH_LEAVES} leaves at most; send fewer at once."
            )
        if batch.deadline < self._clock() + self._signature_margin:
            raise ProblemError(
                409,
                "deadline-too-near",
                f"The signature must be good for {self._signature_margin:.0f} more seconds; sign a later deadline.",
            )
        await self._jobs.check_can_record(batch)
        if not await self._signatures.signed_by(batch.contributor, self._domain.batch(batch), signature):
            raise ProblemError(
                403,
                "wrong-signature",
                f"The signature is not {batch.contributor}'s over {batch.count} leaves from number {batch.first} on; "
                "sign the batch of all open leaves.",
                first=batch.first,
                count=batch.count,
            )
        self._limit.admit(batch.contributor)  # only now: nobody can use up what is another's

    def _receipts(self, leaves: list[Leaf], now: int) -> list[Receipt]:
        return [
            Receipt(
                id=leaf.hash,
                sequence=leaf.sequence,
                received_at=now,
                signature=self._sign(self._domain.receipt(leaf, now)),
            )
            for leaf in leaves
        ]

    def _store_all(self, session: Session, additions: Sequence[_Addition]) -> list[ProblemError | None]:
        """Store what was signed over; for each that was not, what has changed since it was checked."""
        moved = [self._sign_over(session, addition) for addition in additions]
        signed = [addition for addition, problem in zip(additions, moved, strict=True) if problem is None]
        repository.add_all(session, [row for addition in signed for row in addition.rows])
        for addition in signed:
            if addition.is_full:
                self._closer.close(session, addition.batch, addition.signature, addition.at)
        return moved

    def _sign_over(self, session: Session, addition: _Addition) -> ProblemError | None:
        """Note the signature over all open leaves. Returns what has changed since."""
        batch = addition.batch
        if addition.before and repository.replace_signature(session, batch, addition.before, addition.signature):
            return None
        standing = repository.open_batch(session, batch.job_id, batch.contributor)
        if standing is not None:
            return _moved(standing.first, standing.first + standing.count)
        first, count = repository.open_range(session, batch.job_id, batch.contributor)
        row = OpenBatch(
            job_id=batch.job_id,
            contributor=batch.contributor,
            first=batch.first,
            count=batch.count,
            deadline=batch.deadline,
            signature=addition.signature,
            opened_at=addition.at,
        )
        if (first, count) != (batch.first, addition.before) or not insert_new(session, row):
            return _moved(first, first + count)
        return None

    def _remember(self, open_leaves: OpenLeaves) -> None:
        if len(self._cache) >= _CACHED_BATCHES:
            self._cache.clear()
        self._cache[(open_leaves.job_id, open_leaves.contributor)] = open_leaves


def _extend(open_leaves: OpenLeaves, first: int, leaves: list[Leaf]) -> OpenLeaves:
    """The open leaves with the new ones behind them. Those that are known already must be the same."""
    if first != open_leaves.first:
        raise _moved(open_leaves.first, open_leaves.next)
    extended = open_leaves.copy()
    for leaf in leaves:
        position = leaf.sequence - first
        if 0 <= position < len(extended.ids) and extended.ids[position] == leaf.hash:
            continue
        if leaf.sequence != extended.next:
            raise ProblemError(
                409,
                "wrong-sequence",
                f"Leaf {leaf.sequence} cannot be taken; the next new leaf has number {extended.next}.",
                first=first,
                next=open_leaves.next,
            )
        extended.append(leaf, leaf.hash)
    return extended


def _row(leaf: Leaf, receipt: Receipt) -> dict[str, Any]:
    """A new contribution by the names of its columns."""
    return {
        "id": leaf.hash,
        "job_id": leaf.job_id,
        "contributor": leaf.contributor,
        "sequence": leaf.sequence,
        "units": leaf.units,
        "trace_root": leaf.trace_root,
        "evidence": leaf.evidence,
        "received_at": receipt.received_at,
        "receipt": receipt.signature,
        "batch_id": None,
    }


def _moved(first: int, following: int) -> ProblemError:
    return ProblemError(
        409,
        "batch-moved-on",
        f"The open batch begins at leaf {first} and goes on with leaf {following}; sign again over it.",
        first=first,
        next=following,
    )
