"""Running strangers' work in a process of its own, with limits: whatever becomes of it, the node goes on."""

import contextlib
import resource
import signal
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Lock
from typing import Any

from chain.contribution import MalformedRecordError
from chain.errors import MeritError
from verifier.node.specification import Specification
from verifier.node.workbench import BatchFinding, BatchResult, LeafFinding, OpeningClaim, UnsuitableJobError, Workbench
from verifier.shared.blocks import Fetch, UnavailableBlockError
from verifier.workloads.errors import MalformedEvidenceError

# Seconds for a worker to import its libraries.
_START = 120.0
# What a workbench raises on purpose, and the node hears as it is.
_REFUSALS = (UnsuitableJobError, MalformedEvidenceError, MalformedRecordError, UnavailableBlockError)


class WorkerError(MeritError):
    """A worker that died, took too long or failed. The next call gets a new one."""


class _StoppedError(BaseException):
    """The node could not give what the work asked for; nothing in the work may catch this."""


class WorkerWorkbench:
    """A `Workbench` in another process. One call at a time; safe to share between threads.

    This keeps hostile work from taking the node's memory and time; it is no barrier to code that breaks out of it.
    """

    def __init__(self, start: Callable[[], Workbench], memory: int, seconds: float) -> None:
        """start: makes the workbench in the worker. memory: bytes of its data. seconds: the longest call.

        What `work_out` waits for blocks does not count.
        """
        self._start = start
        self._memory = memory
        self._seconds = seconds
        self._lock = Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def prepare(self) -> None:
        """Start the worker ahead of the first call, which then need not wait for it."""
        with self._lock, contextlib.suppress(OSError, EOFError, WorkerError):  # the first call will say what is wrong
            self._running()

    def close(self) -> None:
        """End the worker, in the middle of a call if there is one."""
        process = self._process
        if process is not None:
            with contextlib.suppress(ValueError):  # it has just been ended
                process.kill()
        with self._lock:
            self._end()

    def words(self, specification: Specification) -> int:
        """As `Workbench.words`."""
        words: int = self._ask("words", specification)
        return words

    def examine(self, specification: Specification, works: Sequence[tuple[bytes, bytes]]) -> list[LeafFinding]:
        """As `Workbench.examine`."""
        findings: list[LeafFinding] = self._ask("examine", specification, works)
        return findings

    def opened(self, specification: Specification, claims: Sequence[OpeningClaim]) -> list[bool]:
        """As `Workbench.opened`."""
        opened: list[bool] = self._ask("opened", specification, claims)
        return opened

    def work_out(self, work: Callable[[Fetch], BatchResult], fetch: Fetch) -> BatchFinding:
        """As `Workbench.work_out`; `fetch` is called in this process, a block at a time."""
        finding: BatchFinding = self._ask("work_out", work, fetch=fetch)
        return finding

    def _ask(self, method: str, *arguments: Any, fetch: Fetch | None = None) -> Any:
        with self._lock:
            try:
                pipe = self._running()
                pipe.send((method, arguments, fetch is not None))
                kind, value = self._answer_after_fetching(pipe, fetch)
            except (OSError, EOFError) as error:
                self._end()
                raise WorkerError("The worker ended without an answer; it may have run out of memory.") from error
        if kind == "refused":
            raise value
        if kind == "failed":
            raise WorkerError(f"The work could not be run: {value}.")
        return value

    def _answer_after_fetching(self, pipe: Connection, fetch: Fetch | None) -> tuple[str, Any]:
        """The worker's answer, once it has been given the blocks that it asks for. Raises what `fetch` raises."""
        left = self._seconds
        while True:
            started = time.monotonic()
            kind, value = self._answer(pipe, left)
            left = max(0.0, left - (time.monotonic() - started))
            if kind != "fetch" or fetch is None:
                return kind, value
            try:
                block = fetch(value)
            except Exception:
                pipe.send(("stop", None))
                self._answer(pipe, self._seconds)
                raise
            pipe.send(("block", block))

    def _running(self) -> Connection:
        """The pipe to a worker that has started."""
        if self._pipe is None:
            context = get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(
                target=_work, args=(self._start, self._memory, theirs), name="merit-worker", daemon=True
            )
            self._process.start()
            theirs.close()
            self._answer(self._pipe, _START)
        return self._pipe

    def _answer(self, pipe: Connection, seconds: float) -> tuple[str, Any]:
        if not pipe.poll(seconds):
            self._end()
            raise WorkerError(f"The work took longer than {self._seconds:.0f} s and was ended.")
        kind, value = pipe.recv()
        return kind, value

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process.close()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


def _work(start: Callable[[], Workbench], memory: int, pipe: Connection) -> None:
    """The worker: answers calls until the node is gone."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # sent to the whole terminal; the node ends this process when it is done
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    workbench = start()
    with contextlib.suppress(EOFError):
        pipe.send(("value", None))
        while True:
            method, arguments, fetches = pipe.recv()
            if fetches:
                arguments = (*arguments, partial(_fetched, pipe))
            answer: tuple[str, Any]
            try:
                answer = ("value", getattr(workbench, method)(*arguments))
            except _REFUSALS as error:
                answer = ("refused", error)
            except _StoppedError:
                answer = ("stopped", None)
            except Exception as error:  # whatever a workload throws is told, not thrown
                answer = ("failed", repr(error))
            pipe.send(answer)


def _fetched(pipe: Connection, digest: bytes) -> bytes | None:
    """A block, from the node."""
    pipe.send(("fetch", digest))
    kind, block = pipe.recv()
    if kind == "stop":
        raise _StoppedError
    found: bytes | None = block
    return found
