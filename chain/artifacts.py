"""The compiled contracts that ship inside this package: using Merit needs no compiler."""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

CONTRACTS = (
    "MeritToken",
    "AccessManager",
    "StakeVault",
    "JobEscrow",
    "FeedbackGraph",
    "ReputationOracle",
    "AuditCourt",
    "SourceVault",
    "SourceRegistry",
)


@dataclass(frozen=True)
class Artifact:
    """One compiled contract; bytecodes are hex strings that start with 0x."""

    name: str
    abi: list[Any]
    bytecode: str
    deployed_bytecode: str
    immutable_references: dict[str, list[dict[str, int]]]


@cache
def load_artifact(name: str) -> Artifact:
    """The artifact of one of `CONTRACTS`."""
    raw = json.loads((files("chain") / "contracts" / f"{name}.json").read_text(encoding="utf-8"))
    return Artifact(
        name=name,
        abi=raw["abi"],
        bytecode=raw["bytecode"],
        deployed_bytecode=raw["deployedBytecode"],
        immutable_references=raw["immutableReferences"],
    )
