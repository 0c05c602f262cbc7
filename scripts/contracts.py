"""The compiled contracts that ship inside `chain`.

`python -m scripts.contracts export` builds with Hardhat and writes one file per contract; `check` builds and fails when
what is shipped is not what the sources compile to.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
ARTIFACTS = ROOT / "artifacts"
SHIPPED = ROOT / "chain" / "contracts"
ACCESS_MANAGER = ARTIFACTS / "@openzeppelin/contracts/access/manager/AccessManager.sol/AccessManager.json"


class ContractsError(Exception):
    """The shipped contracts cannot be built, or differ from the sources; the message says what to do."""


def hardhat(*arguments: str, env: dict[str, str] | None = None) -> str:
    """Standard output of `npx hardhat <arguments>`, run with the environment's own Node.

    Raises:
        ContractsError: Node or the packages are missing, or the command failed; carries its output.
    """
    here = Path(sys.executable).parent
    path = f"{here}{os.pathsep}{os.environ.get('PATH', '')}"
    command = [str(ROOT / "node_modules" / ".bin" / "hardhat"), *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **(env or {}), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ContractsError("Hardhat is not installed: run `npm ci` first.") from error
    if done.returncode != 0:
        raise ContractsError(f"`hardhat {' '.join(arguments)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def compiled() -> dict[str, str]:
    """File name to JSON text of every deployable contract, from a fresh build."""
    hardhat("build", "--no-tests")
    sources = sorted((ROOT / "contracts").glob("*.sol"))
    artifacts = [ARTIFACTS / "contracts" / source.name / f"{source.stem}.json" for source in sources]
    shipped = {artifact.name: _shipped(artifact) for artifact in [*artifacts, ACCESS_MANAGER]}
    # Abstract contracts are in the code of those that inherit them.
    return {name: text for name, text in shipped.items() if json.loads(text)["bytecode"] != "0x"}


def export() -> None:
    """Writes `chain/contracts/<Name>.json` for every contract and removes files of contracts that are gone."""
    files = compiled()
    SHIPPED.mkdir(exist_ok=True)
    for stale in set(SHIPPED.glob("*.json")) - {SHIPPED / name for name in files}:
        stale.unlink()
    for name, text in files.items():
        (SHIPPED / name).write_text(text, encoding="utf-8")


def check() -> None:
    """Compares the shipped files with a fresh build.

    Raises:
        ContractsError: they differ.
    """
    files = compiled()
    shipped = {path.name: path.read_text(encoding="utf-8") for path in SHIPPED.glob("*.json")}
    stale = sorted(name for name in files.keys() | shipped.keys() if files.get(name) != shipped.get(name))
    if stale:
        raise ContractsError(
            f"{', '.join(stale)} in chain/contracts are stale: run `python -m scripts.contracts export`."
        )


def _shipped(artifact: Path) -> str:
    built = json.loads(artifact.read_text(encoding="utf-8"))
    build = json.loads((ARTIFACTS / "build-info" / f"{built['buildInfoId']}.json").read_text(encoding="utf-8"))
    settings = {key: value for key, value in build["input"]["settings"].items() if key != "outputSelection"}
    # The compiler keys them by node numbers, which change with every file that is compiled along.
    references = sorted(built["immutableReferences"].values(), key=lambda places: int(places[0]["start"]))
    shipped: dict[str, Any] = {
        "contractName": built["contractName"],
        "sourceName": built["sourceName"],
        "compiler": {"version": build["solcLongVersion"], "settings": settings},
        "abi": built["abi"],
        "bytecode": built["bytecode"],
        "deployedBytecode": built["deployedBytecode"],
        "immutableReferences": {str(number): places for number, places in enumerate(references)},
    }
    return json.dumps(shipped, indent=1) + "\n"


def main() -> None:
    """Entry point of `python -m scripts.contracts`."""
    parser = argparse.ArgumentParser(prog="python -m scripts.contracts", description=__doc__)
    parser.add_argument("action", choices=["export", "check"])
    try:
        {"export": export, "check": check}[parser.parse_args().action]()
    except ContractsError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
