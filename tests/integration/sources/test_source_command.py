"""`merit source`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from chain.network import Network
from tests.integration.command import run_merit

pytestmark = pytest.mark.chain

Merit = Callable[..., tuple[int, str, str]]


@pytest.fixture
def merit(
    network: Network,
    funded: Callable[[int], LocalAccount],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Merit:
    """Runs `merit source` as an account with tokens: status, values, diagnostics."""
    file = tmp_path / "deployment.json"
    network.deployment.save(file)
    monkeypatch.setenv("MERIT_PRIVATE_KEY", funded(0x50).key.hex())

    def run(*words: str) -> tuple[int, str, str]:
        rpc = network.web3.provider.endpoint_uri  # type: ignore[attr-defined]
        return run_merit(("source", *words, "--rpc", rpc, "--deployment", str(file)), monkeypatch, capsys)

    return run


def test_source__from_registration_to_retirement(merit: Merit, network: Network, folder: Path) -> None:
    status, out, _ = merit("register", str(folder), "--endpoint", "http://source.example")
    assert (status, out.strip()) == (0, "1")
    assert merit("move", "--source", "1", "--endpoint", "http://elsewhere.example")[0] == 0
    (told,) = json.loads(merit("status", "--json")[1])
    assert (told["version"], told["passages"], told["endpoint"]) == (1, 2, "http://elsewhere.example")
    assert told["active"]
    assert "http://elsewhere.example" in merit("status")[1]
    stake = network.sources.functions.stake().call()
    assert merit("retire", "--source", "1")[1].strip() == str(stake // 10**18)
    assert network.source_vault.functions.stakeOf(told["owner"]).call()[2] == stake
    network.web3.provider.make_request("evm_increaseTime", [10**7])  # type: ignore[arg-type]
    network.web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]
    assert merit("withdraw")[1].strip() == str(stake // 10**18)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["register", "nowhere", "--endpoint", "http://x"], "is not a folder"),
        (["retire", "--source", "7"], "There is no source 7"),
        (["move", "--source", "7", "--endpoint", "http://x"], "There is no source 7"),
        (["withdraw"], "has nothing to withdraw"),
        (["serve", ".", "--source", "7", "--asker", "somebody"], "is not an account"),
    ],
)
def test_source__what_people_get_wrong__is_one_sentence(merit: Merit, words: list[str], sentence: str) -> None:
    status, _, diagnostics = merit(*words)
    assert status == 1
    assert sentence in diagnostics.strip().splitlines()[-1]
