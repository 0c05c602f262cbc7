"""A local chain with the contracts deployed by `merit deploy`, and the command itself, run in this process."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_account import Account

from chain.deployment import Deployment
from chain.localnet import DEVELOPMENT_KEY, local_chain
from chain.network import Network
from chain.sender import TransactionSender
from tests.integration.command import run_merit


@dataclass(frozen=True)
class Answer:
    """What a command left behind: exit status, values, diagnostics."""

    status: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The last line of the diagnostics."""
        return self.err.strip().splitlines()[-1] if self.err.strip() else ""


Merit = Callable[..., Answer]


@pytest.fixture
def merit(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Merit:
    """Runs `merit` with the given words."""

    def run(*words: str) -> Answer:
        return Answer(*run_merit(words, monkeypatch, capsys))

    return run


@pytest.fixture(scope="session")
def rpc() -> Iterator[str]:
    """A chain for the whole session; tests leave it as they found it, but for what they say."""
    with local_chain() as url:
        yield url


@pytest.fixture
def deployed(merit: Merit, rpc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    """The contracts, deployed from an empty folder that is also the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MERIT_PRIVATE_KEY", raising=False)
    answer = merit("deploy", "--rpc", rpc, "--json")
    assert answer.status == 0, answer.err
    assert json.loads(answer.out)["chain_id"] == 31337
    return Network.connect(rpc, Deployment.load(tmp_path / "deployments" / "31337.json"))


@pytest.fixture
def operator(deployed: Network) -> TransactionSender:
    """Whoever deployed."""
    return TransactionSender(deployed.web3, Account.from_key(DEVELOPMENT_KEY))
