"""Work that hangs, dies, eats memory or fails: the node hears of it and goes on."""

import importlib
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chain.contribution import MalformedRecordError
from verifier.node.evidence import EvidenceUnreachableError
from verifier.node.specification import Specification
from verifier.node.workbench import UnsuitableJobError
from verifier.node.worker import WorkerError, WorkerWorkbench
from verifier.shared.blocks import UnavailableBlockError
from verifier.workloads.errors import MalformedEvidenceError

SPECIFICATION = Specification("inference", "test", bytes(32))
# In a file of its own, because the worker's process must be able to import it.
_BENCH = """
import os, time
from verifier.node.workbench import UnsuitableJobError

class Bench:
    def words(self, specification):
        return os.getpid()

    def examine(self, specification, works):
        what = works[0][0]
        if what == b"hang":
            time.sleep(1000)
        if what == b"die":
            os._exit(1)
        if what == b"eat":
            return [bytearray(2**31)]
        if what == b"raise":
            raise KeyError("a workload's mistake")
        if what == b"unsuitable":
            raise UnsuitableJobError("no such model")
        return [what]

    def work_out(self, work, fetch):
        return work(fetch)

def two_blocks(fetch):
    return fetch(b"first") + fetch(b"second")

def patient(fetch):
    for _ in range(6):
        fetch(b"")
    return b"done"

def hang(fetch):
    fetch(b"")
    time.sleep(1000)

def die(fetch):
    fetch(b"")
    os._exit(1)

def refuse(error, fetch):
    raise error
"""


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerWorkbench]:
    (tmp_path / "hostile_bench.py").write_text(_BENCH)
    monkeypatch.syspath_prepend(tmp_path)
    module: Any = importlib.import_module("hostile_bench")
    workbench = WorkerWorkbench(partial(module.Bench), memory=2**30, seconds=5)
    yield workbench
    workbench.close()
    del sys.modules["hostile_bench"]


def _examine(bench: WorkerWorkbench, what: bytes) -> Any:
    return bench.examine(SPECIFICATION, [(what, bytes(32))])


def test_examine__work_that_eats_memory__told_and_the_worker_lives(bench: WorkerWorkbench) -> None:
    process = bench.words(SPECIFICATION)
    with pytest.raises(WorkerError, match="MemoryError"):
        _examine(bench, b"eat")
    with pytest.raises(WorkerError, match="a workload's mistake"):
        _examine(bench, b"raise")
    with pytest.raises(UnsuitableJobError, match="no such model"):
        _examine(bench, b"unsuitable")
    assert bench.words(SPECIFICATION) == process
    assert _examine(bench, b"well") == [b"well"]


def test_examine__work_that_kills_its_process__the_next_gets_a_new_one(bench: WorkerWorkbench) -> None:
    process = bench.words(SPECIFICATION)
    with pytest.raises(WorkerError, match="without an answer"):
        _examine(bench, b"die")
    assert _examine(bench, b"well") == [b"well"]
    assert bench.words(SPECIFICATION) != process


def test_examine__work_that_hangs__ended_at_its_limit(bench: WorkerWorkbench) -> None:
    process = bench.words(SPECIFICATION)
    bench._seconds = 0.2
    with pytest.raises(WorkerError, match="was ended"):
        _examine(bench, b"hang")
    bench._seconds = 5
    assert bench.words(SPECIFICATION) != process


def work(name: str) -> Any:
    return getattr(sys.modules["hostile_bench"], name)


def test_work_out__blocks_that_it_asks_for__come_from_this_process(bench: WorkerWorkbench) -> None:
    blocks = {b"first": b"one ", b"second": b"two"}
    assert bench.work_out(work("two_blocks"), blocks.__getitem__) == b"one two"


def test_work_out__store_is_silent__told_as_it_is_and_the_worker_lives(bench: WorkerWorkbench) -> None:
    process = bench.words(SPECIFICATION)

    def fetch(digest: bytes) -> bytes:
        raise EvidenceUnreachableError("silent")

    with pytest.raises(EvidenceUnreachableError, match="silent"):
        bench.work_out(work("two_blocks"), fetch)
    assert bench.words(SPECIFICATION) == process


def test_work_out__slow_store__does_not_count_as_work(bench: WorkerWorkbench) -> None:
    bench.prepare()
    bench._seconds = 1

    def fetch(digest: bytes) -> bytes:
        time.sleep(0.2)
        return digest

    assert bench.work_out(work("patient"), fetch) == b"done"


def test_work_out__round_that_hangs_or_dies__an_error_and_a_new_worker(bench: WorkerWorkbench) -> None:
    bench.prepare()
    bench._seconds = 0.2
    with pytest.raises(WorkerError, match="was ended"):
        bench.work_out(work("hang"), lambda digest: digest)
    bench._seconds = 5
    with pytest.raises(WorkerError, match="without an answer"):
        bench.work_out(work("die"), lambda digest: digest)
    assert _examine(bench, b"well") == [b"well"]


@pytest.mark.parametrize(
    "error",
    [MalformedEvidenceError("why"), MalformedRecordError("why"), UnavailableBlockError(bytes(32), "why")],
    ids=lambda error: type(error).__name__,
)
def test_work_out__batch_is_refused__the_same_error_here(bench: WorkerWorkbench, error: Exception) -> None:
    with pytest.raises(type(error)) as told:
        bench.work_out(partial(work("refuse"), error), lambda digest: digest)
    assert str(told.value) == str(error)
