"""`merit source`."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Thread

import pytest
import uvicorn
from eth_account.signers.local import LocalAccount

from backend.app import create_app
from backend.settings import Settings
from chain.localnet import DEVELOPMENT_KEY, free_port
from chain.network import Network
from chain.parameters import TOKEN
from tests.integration.command import run_merit
from verifier.node.evidence import EvidenceLimits, EvidenceReader
from verifier.retrieval.windows import open_windows

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


@pytest.fixture
def api(network: Network, tmp_path: Path) -> Iterator[str]:
    """A service that takes evidence, over HTTP."""
    file, port = tmp_path / "service.json", free_port()
    network.deployment.save(file)
    settings = Settings.load(
        private_key="0x" + "0b" * 32,
        rpc_url=network.web3.provider.endpoint_uri,  # type: ignore[attr-defined]
        deployment=file,
        database_url=f"sqlite:///{tmp_path}/service.db",
        evidence_directory=tmp_path / "evidence",
        port=port,
    )
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=port, log_config=None))
    thread = Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield settings.origin
    server.should_exit = True
    thread.join()


def test_source_job__opened_for_the_network__says_whose_word_counts(
    merit: Merit, network: Network, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    organiser, judge = "0x" + "11" * 20, "0x" + "22" * 20
    monkeypatch.setenv("MERIT_PRIVATE_KEY", DEVELOPMENT_KEY)
    terms = ("--organiser", organiser, "--judge", judge, "--pot", "9", "--amount", "90", "--network")
    status, out, diagnostics = merit("job", *terms, "--api", api)
    assert status == 0, diagnostics
    job = int(out.splitlines()[-1])  # the service in this process logs before it
    assert network.sources.functions.job().call() == job
    with closing(EvidenceReader([api], EvidenceLimits())) as evidence:
        described = open_windows(network, evidence, job).job
    assert (described.organiser, described.judges) == (organiser, (judge,))
    assert network.escrow.functions.jobOf(job).call()[0][1] == 9 * TOKEN


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["register", "nowhere", "--endpoint", "http://x"], "is not a folder"),
        (["retire", "--source", "7"], "There is no source 7"),
        (["move", "--source", "7", "--endpoint", "http://x"], "There is no source 7"),
        (["withdraw"], "has nothing to withdraw"),
        (
            ["job", "--organiser", "me", "--judge", "0x" + "11" * 20, "--pot", "9", "--amount", "90"],
            "is not an account",
        ),
        (["serve", ".", "--source", "7", "--asker", "somebody"], "is not an account"),
    ],
)
def test_source__what_people_get_wrong__is_one_sentence(merit: Merit, words: list[str], sentence: str) -> None:
    status, _, diagnostics = merit(*words)
    assert status == 1
    assert sentence in diagnostics.strip().splitlines()[-1]
