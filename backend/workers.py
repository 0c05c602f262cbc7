"""The service's own threads: each repeats one step until it is told to stop."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Thread

import structlog

from chain.errors import MeritError

_log = structlog.get_logger()
_LONGEST_PAUSE = 30.0


@dataclass
class Worker:
    """One repeated step and how it fares; times are Unix seconds. everywhere: also in processes that do not lead."""

    name: str
    step: Callable[[], object]
    everywhere: bool = False
    last_success: float | None = None
    failures: int = 0
    error: str | None = None
    thread: Thread | None = field(default=None, repr=False)


class Workers:
    """Starts and stops the threads. A step that fails is repeated, each time after a longer pause.

    Most steps are made only while `leads` says so: several processes may serve one database, and one of them works.
    """

    def __init__(self, interval: float, leads: Callable[[], bool]) -> None:
        self._interval = interval
        self._leads = leads
        self._stop = Event()
        self.all: list[Worker] = []

    def add(self, name: str, step: Callable[[], object], *, everywhere: bool = False) -> None:
        """Register a step before `start`."""
        self.all.append(Worker(name, step, everywhere))

    def start(self) -> None:
        """One thread for each worker."""
        for worker in self.all:
            worker.thread = Thread(target=self._run, args=(worker,), name=f"merit-{worker.name}", daemon=True)
            worker.thread.start()

    @property
    def stopping(self) -> bool:
        """Whether the service is to end; whoever waits for something else to happen gives up then."""
        return self._stop.is_set()

    def ask_to_stop(self) -> None:
        """Begin to end."""
        self._stop.set()

    def stop(self, timeout: float = 30.0) -> None:
        """Let the running steps end. They may be killed at any time, but there is no need to."""
        self.ask_to_stop()
        for worker in self.all:
            if worker.thread is not None:
                worker.thread.join(timeout)

    def _run(self, worker: Worker) -> None:
        while not self._stop.is_set():
            if worker.everywhere or self._leads():
                self.attempt(worker)
            self._stop.wait(min(self._interval * 2 ** min(worker.failures, 16), _LONGEST_PAUSE))

    @staticmethod
    def attempt(worker: Worker) -> None:
        """One step; a failure is noted and logged, never raised: the thread has to go on."""
        try:
            worker.step()
        except MeritError as error:
            worker.failures, worker.error = worker.failures + 1, str(error)
            _log.warning("step failed", worker=worker.name, reason=str(error), failures=worker.failures)
        except Exception as error:
            worker.failures, worker.error = worker.failures + 1, "It failed unexpectedly; see the log."
            _log.error("step failed", worker=worker.name, failures=worker.failures, exc_info=error)
        else:
            worker.failures, worker.error, worker.last_success = 0, None, time.time()
