"""Compiling the sources again, independently of Hardhat, to prove what a chain or this package holds.

py-solc-x drives the compiler: a native one of the pinned version where one is installed, otherwise the npm package of
the lock file. Sources carry the names that the build gave them, because the compiler hashes these into the code.
"""

import json
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import solcx
from solcx.exceptions import SolcError

from chain.artifacts import CONTRACTS
from chain.errors import MeritError

ROOT = Path(__file__).resolve().parent.parent
_SHIPPED = ROOT / "chain" / "contracts"
_IMPORT = re.compile(r'^import\s[^"]*"([^"]+)"', re.MULTILINE)

# The npm compiler neither waits for a pipe to fill nor for one to drain, and prints a remark before its JSON.
_WRAPPER = """#!/bin/sh
[ "$1" = --standard-json ] || exec '{node}' '{script}' "$@"
cat > '{directory}/input.json'
'{node}' '{script}' "$@" < '{directory}/input.json' > '{directory}/output.json'
grep -v '^>>>' '{directory}/output.json'
"""


class CompilerError(MeritError):
    """The sources cannot be compiled here."""


def recompile() -> dict[str, str]:
    """Runtime code of every contract by name, as hex digits with zeros for immutables. Takes a minute or two."""
    shipped = {name: json.loads((_SHIPPED / f"{name}.json").read_text(encoding="utf-8")) for name in CONTRACTS}
    compiler = shipped["AuditCourt"]["compiler"]
    remapping = compiler["settings"]["remappings"][0]
    _, package, prefix = re.split(r"[:=]", remapping)
    paths = {"project/": ROOT, prefix: ROOT / "node_modules" / package, package: ROOT / "node_modules" / package}
    names = {name: _build_name(entry["sourceName"], package, prefix) for name, entry in shipped.items()}
    sources: dict[str, str] = {}
    for name in names.values():
        _gather(name, paths, package, prefix, sources)
    standard_input = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sorted(sources.items())},
        "settings": {
            **compiler["settings"],
            "outputSelection": {"*": {"*": ["evm.deployedBytecode.object"]}},
        },
    }
    with _compiler(compiler["version"].split("+")[0]) as binary:
        try:
            output = solcx.compile_standard(standard_input, solc_binary=binary)
        except (SolcError, OSError, ValueError) as error:
            raise CompilerError("The contracts do not compile; run `make contracts` to see why.") from error
    return {
        name: output["contracts"][source][name]["evm"]["deployedBytecode"]["object"] for name, source in names.items()
    }


def _build_name(source: str, package: str, prefix: str) -> str:
    return prefix + source.removeprefix(package) if source.startswith(package) else f"project/{source}"


def _gather(name: str, paths: dict[str, Path], package: str, prefix: str, sources: dict[str, str]) -> None:
    """Add the source called `name` and all that it imports."""
    if name in sources:
        return
    root = next(start for start in paths if name.startswith(start))
    file = paths[root] / name.removeprefix(root)
    sources[name] = file.read_text(encoding="utf-8")
    for imported in _IMPORT.findall(sources[name]):
        if imported.startswith("."):
            target = str((Path("/") / name).parent.joinpath(imported).resolve()).removeprefix("/")
        else:
            target = _build_name(imported, package, prefix)
        _gather(target, paths, package, prefix, sources)


@contextmanager
def _compiler(version: str) -> Iterator[Path]:
    """Path of a compiler that speaks standard JSON."""
    if version in {str(installed) for installed in solcx.get_installed_solc_versions()}:
        yield solcx.install.get_executable(version)
        return
    script, node = ROOT / "node_modules" / "solc" / "solc.js", Path(sys.executable).parent / "node"
    if not script.exists():
        raise CompilerError("There is no Solidity compiler here; run `npm ci`, or install one with py-solc-x.")
    with TemporaryDirectory() as directory:
        binary = Path(directory) / "solc"
        program = node if node.exists() else shutil.which("node")
        binary.write_text(_WRAPPER.format(node=program, script=script, directory=directory), encoding="utf-8")
        binary.chmod(0o700)
        yield binary
