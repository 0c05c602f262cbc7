"""Other libraries, measured in an environment of their own: ours has neither their licences nor their dependencies."""

import json
import os
import subprocess
import tempfile
import venv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

_ENVIRONMENTS = Path(".merit") / "peers"


def run_peer(name: str, packages: Sequence[str], **arrays: Any) -> dict[str, Any]:
    """What `peers/NAME.py` prints last, a JSON object, for a file of these arrays; packages: what it needs."""
    folder = (_ENVIRONMENTS / name).absolute()
    python = folder / "bin" / "python"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True, env=environment)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "input.npz"
        np.savez(path, **arrays)
        program = Path(__file__).parent / "peers" / f"{name}.py"
        done = subprocess.run([python, program, path], check=True, capture_output=True, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
