"""One chain, one model and one patched court for all tests here; each test plays scenes that are undone."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from scripts.rehearsal import Rehearsal, open_rehearsal
from verifier.models.demonstration import DemonstrationModels, demonstration_models

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".merit"

_BOUND = "batchId, round, verifier, digests, verdicts, payload, salt)"
_UNBOUND = "batchId, round, address(0), digests, verdicts, payload, salt)"


@pytest.fixture(scope="session")
def models() -> DemonstrationModels:
    """The demonstration's models, where `merit demo` keeps them: whoever comes first trains them."""
    torch.set_num_threads(1)
    return demonstration_models(STATE / "models")


@pytest.fixture(scope="session")
def rehearsal(models: DemonstrationModels) -> Iterator[Rehearsal]:
    with open_rehearsal(models) as rehearsal:
        yield rehearsal


@pytest.fixture(scope="session")
def unbound_court() -> str:
    """Creation code of a court whose commitments do not bind their sender, kept by the hash of what it is made from."""
    sources = {str(path.relative_to(ROOT)): path.read_text() for path in sorted((ROOT / "contracts").rglob("*.sol"))}
    (changed,) = (name for name, text in sources.items() if text.count(_BOUND) == 1)
    sources[changed] = sources[changed].replace(_BOUND, _UNBOUND)
    settings = json.loads((ROOT / "chain" / "contracts" / "AuditCourt.json").read_text())["compiler"]["settings"]
    settings["remappings"] = []
    settings["outputSelection"] = {"contracts/AuditCourt.sol": {"AuditCourt": ["evm.bytecode.object"]}}
    contents = {name: {"content": text} for name, text in sources.items()}
    query = {"language": "Solidity", "sources": contents, "settings": settings}
    told = json.dumps(query, sort_keys=True) + (ROOT / "package-lock.json").read_text()
    kept = STATE / "compiled" / f"{hashlib.sha256(told.encode()).hexdigest()[:32]}.hex"
    if not kept.exists():
        code = _compile(query)["contracts"]["contracts/AuditCourt.sol"]["AuditCourt"]["evm"]["bytecode"]["object"]
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        partial.write_text(code)
        partial.replace(kept)
    return kept.read_text()


def _compile(query: dict[str, object]) -> dict[str, Any]:
    """What the pinned compiler answers; its program prints a line of its own before that."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    packages = ROOT / "node_modules"
    command = [
        str(shutil.which("node", path=path)),
        str(packages / "solc" / "solc.js"),
        "--standard-json",
        *("--base-path", str(ROOT), "--include-path", str(packages)),
    ]
    # From a file: the program does not wait for a pipe that is still empty.
    with tempfile.TemporaryFile("w+") as file:
        json.dump(query, file)
        file.seek(0)
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout[done.stdout.index("{") :])
    assert "contracts" in answer, answer["errors"]
    return answer
