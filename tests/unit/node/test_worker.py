"""Work that hangs, dies, eats memory or fails: the node hears of it and goes on."""

import importlib
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from verifier.node.specification import Specification
from verifier.node.workbench import UnsuitableJobError
from verifier.node.worker import WorkerError, WorkerWorkbench

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
