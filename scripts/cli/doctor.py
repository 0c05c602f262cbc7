"""`merit doctor`: everything that a verifier needs, one line each."""

import json
import shutil
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import httpx
import requests
import typer
from eth_account.signers.base import BaseAccount
from web3.exceptions import Web3Exception

from chain.endpoints import show_endpoints
from chain.errors import MeritError
from chain.fees import asked_fees
from chain.network import Network, connect
from scripts.cli.amounts import show_amount
from scripts.cli.options import LOCAL_CHAIN_ID, AsJson, Connection, with_connection

# Seconds by which the machine's clock may differ from the newest block's timestamp.
_AHEAD, _BEHIND = 300, 60
# Gas of one audit's calls (commit, reveal, a share of the others), and audits that the balance should last for.
_GAS_PER_AUDIT, _AUDITS = 1_000_000, 100
_DISK_BYTES = 2**30
_SECONDS = 10.0


class CheckError(MeritError):
    """What was checked is not as it should be."""


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, whether it is well, and what was seen or is to be done."""

    name: str
    well: bool
    detail: str


@with_connection
def command(
    connection: Connection,
    evidence: Annotated[
        str, typer.Option(envvar="MERIT_EVIDENCE_URLS", help="API that has the evidence; several by commas.")
    ] = "http://127.0.0.1:8000",
    models: Annotated[
        Path, typer.Option(envvar="MERIT_MODELS_DIRECTORY", help="Directory of registered models.")
    ] = Path("models"),
    data: Annotated[
        Path, typer.Option(envvar="MERIT_DATA_DIRECTORY", help="Directory of the journal and the chain history.")
    ] = Path("merit-node"),
    host: Annotated[str, typer.Option(envvar="MERIT_STATUS_HOST", help="Address of the node's status.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="MERIT_STATUS_PORT", help="Port of the node's status.")] = 9464,
    as_json: AsJson = False,
) -> None:
    """Check everything that a verifier needs, one line each. Exit status 1 if anything is not well."""
    findings = [_checked("rpc", lambda: _endpoint(connection))]
    network: Network | None = None
    account: BaseAccount | None = None
    if findings[0].well:
        try:
            network = connection.network()
            findings.append(Finding("chain id", True, str(network.deployment.chain_id)))
        except MeritError as error:
            findings.append(Finding("chain id", False, str(error)))
    if network is not None:
        connected = network
        findings.append(_checked("clock", lambda: _clock(connected)))
        try:
            account = connection.account(connected)
        except MeritError as error:
            findings.append(Finding("key", False, str(error)))
    if network is not None and account is not None:
        connected, unlocked = network, account
        findings.append(_checked("balance", lambda: _balance(connected, unlocked)))
        findings.append(_checked("stake", lambda: _stake(connected, unlocked)))
    findings += [
        _checked("models", lambda: _models(models)),
        *(_checked("evidence", partial(_evidence, url)) for url in evidence.split(",")),
        _checked("port", lambda: _port(host, port)),
        _checked("disk", lambda: _disk(data)),
    ]
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            mark, colour = ("ok", "green") if finding.well else ("BAD", "red")
            typer.echo(f"{typer.style(f'{mark:<4}', fg=colour)} {finding.name:<9} {finding.detail}")
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


def _checked(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, check())
    except MeritError as error:
        return Finding(name, False, str(error))
    except (requests.RequestException, Web3Exception, ValueError) as error:
        return Finding(name, False, f"The chain does not answer as it should ({type(error).__name__}); try another.")


def _endpoint(connection: Connection) -> str:
    return f"block {connect(connection.rpc).eth.block_number}"


def _clock(network: Network) -> str:
    ahead = int(time.time()) - network.web3.eth.get_block("latest")["timestamp"]
    # A local chain mines only when there is something to mine, so its newest block may be old.
    if ahead < -_BEHIND or (ahead > _AHEAD and network.deployment.chain_id != LOCAL_CHAIN_ID):
        way = "ahead of" if ahead > 0 else "behind"
        raise CheckError(f"{abs(ahead)} s {way} the newest block; set the clock, or name an endpoint that keeps up.")
    return f"{ahead} s after the newest block"


def _balance(network: Network, account: BaseAccount) -> str:
    balance = network.web3.eth.get_balance(account.address)
    needed = _AUDITS * _GAS_PER_AUDIT * asked_fees(network.web3, None).most
    if balance < needed:
        raise CheckError(
            f"{show_amount(balance)} for gas; send {account.address} at least {show_amount(needed - balance)} more, "
            f"for {_AUDITS} audits at today's fees."
        )
    return f"{show_amount(balance)} for gas"


def _stake(network: Network, account: BaseAccount) -> str:
    staked, *_ = network.vault.functions.stakeOf(account.address).call()
    least = network.vault.functions.minimumStake().call()
    if staked < least:
        raise CheckError(
            f"{show_amount(staked)} of {show_amount(least)} tokens; deposit more with `merit stake deposit`."
        )
    if not network.vault.functions.isMember(account.address).call():
        raise CheckError(f"{show_amount(staked)} tokens, but not in the committee; run `merit verifier join`.")
    return f"{show_amount(staked)} tokens, in the committee"


def _models(directory: Path) -> str:
    """Every manifest is read, and its weights are there; they are hashed and loaded by the node."""
    try:
        from verifier.models.errors import ModelError  # noqa: PLC0415 - the other checks need no torch
        from verifier.models.store import ModelStore  # noqa: PLC0415
    except ImportError:
        raise CheckError("Models cannot be run without torch; install `merit[verifier]`.") from None
    store, calibrated = ModelStore(directory), 0
    for path in sorted(directory.glob("*.json")):
        try:
            manifest = store.manifest(bytes.fromhex(path.stem))
            if manifest.profile_document is None:
                continue  # what was registered before it was calibrated; a job cannot name it
            for digest in manifest.weights:
                if not (directory / f"{digest}.safetensors").is_file():
                    raise CheckError(f"Weights of {path.name} are missing; fetch {digest}.safetensors.")
        except (ModelError, ValueError) as error:
            raise CheckError(f"{path.name} cannot be used: {error}.") from error
        calibrated += 1
    if not calibrated:
        raise CheckError(f"No calibrated model in {directory}; fetch those that jobs name, or use --models.")
    return f"{calibrated} calibrated"


def _evidence(url: str) -> str:
    shown = show_endpoints(url)
    try:
        httpx.get(f"{url.rstrip('/')}/health", timeout=_SECONDS).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise CheckError(f"{shown} does not answer ({type(error).__name__}); check --evidence.") from error
    return f"{shown} answers"


def _port(host: str, port: int) -> str:
    try:
        with socket.create_server((host, port)):
            return f"{host}:{port} is free"
    except OSError as error:
        if _is_node(host, port):
            return f"{host}:{port} is the running node's"
        raise CheckError(f"Cannot listen on {host}:{port} ({error.strerror}); set MERIT_STATUS_PORT.") from error


def _is_node(host: str, port: int) -> bool:
    try:
        return "ready" in httpx.get(f"http://{host}:{port}/status", timeout=_SECONDS).json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return False


def _disk(directory: Path) -> str:
    present = next(folder for folder in (directory.absolute(), *directory.absolute().parents) if folder.exists())
    free = shutil.disk_usage(present).free
    if free < _DISK_BYTES:
        raise CheckError(f"{free / 2**30:.2f} GiB free for {directory}; make room for one at least.")
    return f"{free / 2**30:.1f} GiB free"
