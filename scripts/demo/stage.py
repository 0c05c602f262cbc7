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

    def start_clock(self) -> None:
        """Mine a block a second from here on, as a real network does, and no longer one for each transaction."""
        _rpc(self.network, "evm_setAutomine", [False])
        _rpc(self.network, "evm_setIntervalMining", [1])


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
        logs = directory / "logs"
        logs.mkdir()
        # The nodes are needed last: until the API is ready, they would only take the processor from it.
        stack.enter_context(_running({"api": (["scripts.cli", "serve"], backend)}, logs))
        fund(network, cast)
        _await_ready(api_url, logs / "api.log")
        nodes: dict[str, tuple[Sequence[str], dict[str, str]]] = {}
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
            nodes[name] = (module, node)
        stack.enter_context(_running(nodes, logs))
        # The members that were just seated are drawn from the next period on.
        _rpc(network, "hardhat_mine", [hex(LOCAL.vault.period_blocks)])
        yield Stage(network, cast, api_url, directory)


def _deploy(rpc_url: str, cast: Cast) -> Network:
    """Deploy with the requester as the reputation's seed."""
    web3 = connect(rpc_url)
    parameters = replace(
        LOCAL,
        vault=replace(LOCAL.vault, unbonding_delay=3_600),
        # Long enough for a busy laptop: these end early. The verifier that withholds makes everyone wait for the last.
        windows=replace(LOCAL.windows, commit=120, disclose=60, reveal=12, appeal=4),
        reputation=replace(LOCAL.reputation, seeds={cast.requester.address: 1.0}, epoch_length=4, challenge_window=2),
    )
    return Network(web3, deploy(web3, cast.operator, parameters))


@contextmanager
def _running(programs: dict[str, tuple[Sequence[str], dict[str, str]]], logs: Path) -> Iterator[None]:
    """Run Python modules as processes of their own while the block runs. programs: module and environment by name."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for name, (module, environment) in programs.items():
            with (logs / f"{name}.log").open("wb") as output:
                processes.append(
                    subprocess.Popen(
                        [sys.executable, "-m", *module],
                        env={**os.environ, **environment},
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=output,
                    )
                )
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
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
