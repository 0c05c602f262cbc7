"""What the chain says about jobs and about those who work on them, asked at most every few seconds."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Any, Protocol

from eth_typing import ChecksumAddress

from backend.problems import ProblemError, not_found
from backend.threads import in_thread
from chain.artifacts import load_artifact
from chain.calls import read
from chain.contribution import Batch
from chain.errors import MeritError, TransactionRevertedError
from chain.network import Network

_JOB_FRESH_FOR = 2.0  # seconds
_STAKE_FRESH_FOR = 10.0  # it goes by an unbonding of days, or by a slash, after which a batch waits for more of it
_CACHED = 4096


@dataclass(frozen=True)
class JobState:
    """A job as `JobEscrow.jobOf` gives it; `terms` by the names of its struct's members."""

    owner: ChecksumAddress
    terms: dict[str, Any]
    free: int
    reserved: int
    closed: bool


class JobSource(Protocol):
    """Where jobs and stakes are looked up."""

    def job(self, job_id: int) -> JobState | None:
        """The job; None where there is none."""

    def free_stake(self, account: ChecksumAddress) -> int:
        """Stake that no lock holds."""


class NetworkJobs:
    """`JobSource` on a network."""

    def __init__(self, network: Network) -> None:
        self._network = network
        abi: list[Any] = load_artifact("JobEscrow").abi
        (function,) = [entry for entry in abi if entry.get("name") == "jobOf"]
        members = function["outputs"][0]["components"]
        self._member_names = [member["name"] for member in members]
        (terms,) = [member for member in members if member["name"] == "terms"]
        self._term_names = [term["name"] for term in terms["components"]]

    def job(self, job_id: int) -> JobState | None:
        """The job; None where there is none."""
        try:
            values = read(self._network.escrow.functions.jobOf(job_id))
        except TransactionRevertedError as error:
            if error.name == "JobEscrowUnknownJob":
                return None
            raise
        job = dict(zip(self._member_names, values, strict=True))
        if int(job["owner"], 16) == 0:
            return None
        terms = dict(zip(self._term_names, job["terms"], strict=True))
        return JobState(job["owner"], terms, job["free"], job["reserved"], job["closed"])

    def free_stake(self, account: ChecksumAddress) -> int:
        """Stake that no lock holds."""
        active, locked, *_ = read(self._network.vault.functions.stakeOf(account))
        free: int = active - locked
        return free


class JobBook:
    """Jobs and stakes, remembered for seconds: a stream of submissions does not become a stream of chain calls."""

    def __init__(self, source: JobSource, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._lock = Lock()
        self._remembered: dict[object, tuple[float, Any]] = {}

    async def job(self, job_id: int) -> JobState:
        """The job. Raises a 404 problem where there is none."""
        return await self._job(job_id, lambda _: True)

    async def check_can_record(self, batch: Batch) -> None:
        """Raise the problem for which the chain would refuse `batch`, as far as it can be known beforehand."""
        job = await self._job(batch.job_id, lambda found: found.free >= _cost(batch, found))
        if job.closed or job.terms["expiry"] <= self._clock():
            raise ProblemError(409, "job-closed", f"Job {batch.job_id} takes no more work; choose another.")
        if job.owner == batch.contributor:
            raise ProblemError(403, "own-job", "Nobody can work on a job of its own; use another account.")
        cost = _cost(batch, job)
        if job.free < cost:
            raise ProblemError(
                409,
                "job-out-of-funds",
                f"Job {batch.job_id} has {job.free} left and the batch costs {cost}; wait until its owner tops it up.",
            )
        needed = batch.units * job.terms["slashPerUnit"]
        stake: int = await self._recall(
            batch.contributor,
            _STAKE_FRESH_FOR,
            lambda: self._source.free_stake(batch.contributor),
            lambda found: found >= needed,
        )
        if stake < needed:
            raise ProblemError(
                403,
                "insufficient-stake",
                f"{batch.contributor} has {stake} of free stake and the batch locks {needed}; deposit more.",
                available=str(stake),
                needed=str(needed),
            )

    async def _job(self, job_id: int, suffices: Callable[[JobState], bool]) -> JobState:
        job: JobState | None = await self._recall(
            job_id,
            _JOB_FRESH_FOR,
            lambda: self._source.job(job_id),
            lambda found: found is not None and suffices(found),
        )
        if job is None:
            raise not_found(f"Job {job_id}")
        return job

    async def _recall(
        self, key: object, fresh_for: float, look_up: Callable[[], Any], suffices: Callable[[Any], bool]
    ) -> Any:
        """What was remembered, if it is fresh and suffices: what would refuse a person is looked up again.

        While one caller looks up, the others go on with what was remembered.
        """
        now = self._clock()
        with self._lock:
            found = self._remembered.get(key)
            if found is not None and suffices(found[1]):
                if now - found[0] < fresh_for:
                    return found[1]
                self._remembered[key] = (now, found[1])
        try:
            value = await in_thread(look_up)()
        except MeritError:
            with self._lock:
                self._remembered.pop(key, None)
            raise
        with self._lock:
            if len(self._remembered) >= _CACHED:
                self._remembered.clear()
            self._remembered[key] = (now, value)
        return value


def _cost(batch: Batch, job: JobState) -> int:
    cost: int = batch.units * job.terms["price"] + job.terms["auditFee"]
    return cost
