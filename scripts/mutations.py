"""`python -m scripts.mutations [LIBRARY ...]`: changes one operator of a library at a time; a test must fail.

Runs in a copy of the contracts, one mutant after the other, each with the tests named in `TESTS`. Prints what survived
and exits with 1 if anything did that `EQUIVALENT` does not explain.
"""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES = ROOT / "contracts" / "libraries"

TESTS = {
    "Economics": ["escrow/JobEscrow.t.sol"],
    "EpochValue": ["graph/FeedbackGraph.t.sol"],
    "Fingerprint": ["court/Consensus.t.sol"],
    "MeritRow": ["oracle/Challenges.t.sol", "oracle/Disputes.t.sol", "oracle/Proposals.t.sol"],
    "Sampling": ["court/Consensus.t.sol"],
    "SortitionTree": ["vault/SortitionTree.t.sol"],
    "TokenIntake": ["vault/Hostile.t.sol", "escrow/JobEscrow.t.sol"],
}

# Operators by what takes their place. Longer ones first, so that `<=` is not read as `<`.
OPERATORS = {
    "<=": "<",
    ">=": ">",
    "==": "!=",
    "!=": "==",
    "&&": "||",
    "||": "&&",
    "<<": ">>",
    ">>": "<<",
    "+=": "-=",
    "-=": "+=",
    "++": "--",
    "<": "<=",
    ">": ">=",
    "+": "-",
    "-": "+",
    "*": "/",
    "/": "*",
    "%": "/",
    "&": "|",
    "|": "&",
    "^": "|",
}
_OPERATOR = re.compile("|".join(f"(?<= ){re.escape(operator)}(?= )" for operator in OPERATORS) + r"|\+\+")

# Mutants that no test can tell from the original, by library, line of code and replacement; with the reason.
EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "Economics",
        "if (reputation >= 1e18) return floor;  ->  if (reputation > 1e18) return floor;",
    ): "at 1e18 the interpolation gives the floor, too",
    (
        "SortitionTree",
        "for (uint256 i = 0; i < gaps.count && point >= gaps.starts[i]; ++i) {  ->  "
        "for (uint256 i = 0; i <= gaps.count && point >= gaps.starts[i]; ++i) {",
    ): "there is room for one gap more whenever a ticket is drawn, and its length is 0",
    (
        "SortitionTree",
        "for (; i > 0 && gaps.starts[i - 1] > start; --i) {  ->  for (; i > 0 && gaps.starts[i - 1] >= start; --i) {",
    ): "two gaps that start at the same place are the same leaf, excluded twice",
    (
        "Sampling",
        "uint256 size = samples < count ? samples : count;  ->  uint256 size = samples <= count ? samples : count;",
    ): "the smaller of two equal numbers is either",
}


@dataclass(frozen=True)
class Mutant:
    """A library with one operator changed."""

    library: str
    line: int
    change: str
    text: str


def mutants(library: str) -> Iterator[Mutant]:
    """One for each operator in the library's code; comments, imports and constants' types are left alone."""
    lines = (LIBRARIES / f"{library}.sol").read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines):
        code = line.split("//")[0]
        if not code.startswith(" ") or code.strip().startswith(("using", "error", "event", "*", "/*")):
            continue
        for found in _OPERATOR.finditer(code):
            replaced = line[: found.start()] + OPERATORS[found.group()] + line[found.end() :]
            text = "".join([*lines[:number], replaced, *lines[number + 1 :]])
            yield Mutant(library, number + 1, f"{line.strip()}  ->  {replaced.strip()}", text)


def is_killed(mutant: Mutant, project: Path) -> bool:
    """Whether a test fails, or the compiler refuses the mutant."""
    changed = project / "contracts" / "libraries" / f"{mutant.library}.sol"
    original = changed.read_text(encoding="utf-8")
    changed.write_text(mutant.text, encoding="utf-8")
    try:
        # First with the contracts as they were: tests of a library itself need no more, and compile in seconds.
        return fails(mutant.library, project, "--no-compile") or fails(mutant.library, project)
    finally:
        changed.write_text(original, encoding="utf-8")


def fails(library: str, project: Path, *options: str) -> bool:
    """Whether a test of the library fails."""
    tests = [f"tests/contracts/{name}" for name in TESTS[library]]
    command = ["npx", "hardhat", "test", "solidity", *options, *tests]
    try:
        return subprocess.run(command, check=False, cwd=project, capture_output=True, timeout=600).returncode != 0
    except subprocess.TimeoutExpired:  # a loop that does not end is noticed, too
        return True


@contextmanager
def copied(library: str) -> Iterator[Path]:
    """A copy of the project with no contracts but those that the library's tests deploy: each mutant compiles them."""
    with TemporaryDirectory() as folder:
        project = Path(folder)
        for name in ("package.json", "hardhat.config.js"):
            shutil.copy(ROOT / name, project)
        for name in ("contracts", "tests/contracts", "tests/vectors"):
            shutil.copytree(ROOT / name, project / name)
        (project / "node_modules").symlink_to(ROOT / "node_modules")
        folders = {(project / "tests" / "contracts" / test).parent for test in TESTS[library]}
        tests = "".join(path.read_text(encoding="utf-8") for each in folders for path in each.glob("*.sol"))
        for path in (project / "contracts").glob("*.sol"):
            is_abstract = f"abstract contract {path.stem} " in path.read_text(encoding="utf-8")
            if not is_abstract and f'"{path.stem}"' not in tests:
                path.unlink()
        yield project


def main() -> None:
    """Entry point of `python -m scripts.mutations`."""
    parser = argparse.ArgumentParser(prog="python -m scripts.mutations", description=__doc__)
    parser.add_argument("library", nargs="*", choices=[[], *TESTS], help="all of them unless named")
    libraries = parser.parse_args().library or list(TESTS)
    survivors = 0
    for library in libraries:
        with copied(library) as project:
            if fails(library, project):
                sys.exit(f"The tests of {library} fail without any change; mend them first.")
            killed = 0
            for mutant in mutants(library):
                if is_killed(mutant, project):
                    killed += 1
                    continue
                reason = EQUIVALENT.get((library, mutant.change))
                survivors += reason is None
                print(
                    f"{'equivalent' if reason else 'SURVIVED'}  {library}.sol:{mutant.line}  {mutant.change}",
                    flush=True,
                )
                if reason:
                    print(f"    {reason}")
            print(f"{library}: {killed} killed", flush=True)
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
