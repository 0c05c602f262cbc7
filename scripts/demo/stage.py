"""The demonstration's set-up: a local chain, the contracts, funded accounts, the API and the verifier nodes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from eth_account import Account
from eth_account.signers.local import LocalAccount

from chain.deploy import deploy
from chain.errors import MeritError
from chain.localnet import DEVELOPMENT_KEY, free_port, local_chain
from chain.network import Network, connect
from chain.parameters import LOCAL
from scripts.demo.cast import Cast, fund


class DemonstrationError(MeritError):
    """The demonstration could not be set up or did not come to an end."""


@dataclass(frozen=True)
class Stage:
    """Everything that the play needs: the network, the people, the API and a directory for what they keep."""

    network: Network
    cast: Cast
    api_url: str
    directory: Path


@contextmanager
def open_stage(seed: int, models: Path, directory: Path) -> Iterator[Stage]:
    """Set everything up; on the way out, stop every process. Logs are in `directory/logs`."""
    directory.mkdir(parents=True)
    operator: LocalAccount = Account.from_key(DEVELOPMENT_KEY)
    cast = Cast.of_seed(seed, operator)
    with ExitStack() as stack:
        rpc_url = stack.enter_context(local_chain())
        network = _deploy(rpc_url, cast)
        deployment = directory / "deployment.json"
        network.deployment.save(deployment)

        port = free_port()
        api_url = f"http://127.0.0.1:{port}"
        # One thread each: ten programs share the machine.
        common = {"MERIT_RPC_URL": rpc_url, "MERIT_DEPLOYMENT": str(deployment), "OMP_NUM_THREADS": "1"}
        backend = common | {
            "MERIT_PORT": str(port),
            "MERIT_PRIVATE_KEY": "0x" + operator.key.hex(),
            "MERIT_DATABASE_URL": f"sqlite:///{directory / 'backend.db'}",
            "MERIT_EVIDENCE_DIRECTORY": str(directory / "evidence"),
            "MERIT_BATCH_AGE": "1",
            "MERIT_POLL_INTERVAL": "0.5",
            "MERIT_PROPOSE_EPOCHS": "true",
        }
        programs = {"api": (["scripts.cli", "serve"], backend)}
        for account in cast.committee:
            name = cast.names[account.address].replace(" ", "-")
            module = ["scripts.cli", "verifier", "run"]
            if account == cast.copier:
                module = ["scripts.demo.dishonest", "copies"]
            elif account == cast.guesser:
                module = ["scripts.demo.dishonest", "guesses"]
            node = common | {
                "MERIT_PRIVATE_KEY": "0x" + account.key.hex(),
                "MERIT_EVIDENCE_URLS": api_url,
                "MERIT_MODELS_DIRECTORY": str(models),
                "MERIT_DATA_DIRECTORY": str(directory / name),
                "MERIT_POLL_SECONDS": "0.5",
                "MERIT_PATIENCE_SECONDS": "3",
                "MERIT_STATUS_PORT": "0",
            }
            programs[name] = (module, node)
        (directory / "logs").mkdir()
        for name, (module, environment) in programs.items():
            stack.enter_context(_program(module, environment, directory / "logs" / f"{name}.log"))
        fund(network, cast)
        _await_ready(api_url, directory / "logs" / "api.log")
        # The members that were just seated are drawn from the next period on.
        _rpc(network, "hardhat_mine", [hex(LOCAL.vault.period_blocks)])
        # From here on time passes by itself, a block a second, as it does on a real network.
        _rpc(network, "evm_setAutomine", [False])
        _rpc(network, "evm_setIntervalMining", [1])
        yield Stage(network, cast, api_url, directory)


def _deploy(rpc_url: str, cast: Cast) -> Network:
    """Deploy with the requester as the reputation's seed."""
    web3 = connect(rpc_url)
    parameters = replace(
        LOCAL,
        vault=replace(LOCAL.vault, unbonding_delay=3_600),
        # Long enough for a busy laptop: these end early. The verifier that withholds makes everyone wait for the last.
        windows=replace(LOCAL.windows, commit=120, disclose=60, reveal=20),
        reputation=replace(LOCAL.reputation, seeds={cast.requester.address: 1.0}, epoch_length=6, challenge_window=3),
    )
    return Network(web3, deploy(web3, cast.operator, parameters))


@contextmanager
def _program(module: Sequence[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run a Python module as a process of its own while the block runs."""
    command = [sys.executable, "-m", *module]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(api_url: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{api_url}/ready", timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise DemonstrationError(f"The API did not become ready; its log is {log}.")


def _rpc(network: Network, method: str, arguments: list[object]) -> None:
    network.web3.provider.make_request(method, arguments)  # type: ignore[arg-type]
