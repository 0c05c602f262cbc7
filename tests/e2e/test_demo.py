"""`merit demo`, as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from eth_account import Account

from chain.localnet import DEVELOPMENT_KEY
from scripts.demo.cast import Cast
from verifier.models.demonstration import DemonstrationModels

pytestmark = pytest.mark.chain

ROOT = Path(__file__).resolve().parents[2]


def test_demo__json__whole_life_cycle_and_every_check_holds(models: DemonstrationModels) -> None:
    """The models are there already, so that no time is lost on training."""
    command = [sys.executable, "-m", "scripts.cli", "demo", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told.keys() == {"batches", "credits", "slashed", "reputation", "conservation", "checks"}
    assert [check["claim"] for check in told["checks"] if not check["holds"]] == []
    assert len(told["checks"]) >= 10

    cast = Cast.of_seed(1, Account.from_key(DEVELOPMENT_KEY))
    outcomes: dict[str, set[str]] = {}
    for batch in told["batches"]:
        assert batch.keys() == {"id", "kind", "contributor", "outcome"}
        assert len(bytes.fromhex(batch["id"].removeprefix("0x"))) == 32
        assert batch["kind"] == "inference"
        outcomes.setdefault(batch["contributor"], set()).add(batch["outcome"])
    assert outcomes.keys() == {account.address for account in cast.providers}
    for account in cast.providers:
        cheats = account in {cast.int8, cast.small, cast.cheap_tokens}
        assert outcomes[account.address] <= ({"fraud"} if cheats else {"pass", "unsampled"})

    for column, kind in (("credits", int), ("slashed", int), ("reputation", float)):
        assert told[column].keys() == set(cast.names)
        assert all(type(value) is kind and value >= 0 for value in told[column].values())
    kept = told["conservation"]
    assert kept.keys() == {"deposited", "held", "burned"}
    assert kept["deposited"] == kept["held"] + kept["burned"] > 0
