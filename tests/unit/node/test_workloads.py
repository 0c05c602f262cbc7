"""From a job's specification to something that can be run."""

from pathlib import Path

import pytest

from verifier.models.store import ModelStore
from verifier.node.specification import Specification
from verifier.node.workbench import UnsuitableJobError
from verifier.node.workloads import load_workload


@pytest.mark.parametrize(
    ("kind", "workload", "sentence"),
    [
        ("inference", "text-generation", "no model 0707"),
        ("inference", "divination", "this version cannot run"),
        ("training", "text-generation", "this version cannot run"),
    ],
)
def test_load_workload__not_to_be_had__says_why(tmp_path: Path, kind: str, workload: str, sentence: str) -> None:
    with pytest.raises(UnsuitableJobError, match=sentence):
        load_workload(ModelStore(tmp_path), Specification(kind, workload, b"\x07" * 32))
