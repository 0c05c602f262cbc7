"""`merit deploy`: put the contracts on a chain, once."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from eth_typing import ChecksumAddress
from eth_utils.address import is_address, to_checksum_address

from chain.deploy import check_wiring, deploy, is_deployed
from chain.deployment import Deployment
from chain.errors import MeritError
from chain.network import Network, connect
from chain.parameters import LOCAL, Parameters
from scripts.cli.options import (
    DEFAULT_RPC,
    LOCAL_CHAIN_ID,
    AsJson,
    DeploymentFile,
    Keystore,
    PasswordFile,
    Rpc,
    deployment_path,
    load_account,
)


def command(
    rpc: Rpc = DEFAULT_RPC,
    deployment: DeploymentFile = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    parameters: Annotated[
        Path | None, typer.Option(help="JSON file of deployment parameters; what it leaves out keeps its default.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="Address of an ERC-20 that is there already; default: deploy MeritToken.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Deploy the contracts, wire the roles, write the deployment file and print the addresses. Safe to run again."""
    web3 = connect(rpc)
    chain_id = web3.eth.chain_id
    path = deployment or deployment_path(chain_id)
    result = _existing(rpc, path, chain_id)
    if result is None:
        account = load_account(keystore, password_file, chain_id)
        chosen = LOCAL if chain_id == LOCAL_CHAIN_ID else Parameters()
        if parameters is not None:
            chosen = Parameters.load(parameters)
        if token is not None:
            chosen = replace(chosen, token=_address(token))
        typer.echo(f"Deploying to chain {chain_id} from {account.address} ...", err=True)
        result = deploy(web3, account, chosen)
        result.save(path)
        typer.echo(f"Wrote {path}.", err=True)
    else:
        typer.echo(f"{path} is deployed on chain {chain_id} already; nothing was sent.", err=True)
    if as_json:
        typer.echo(json.dumps({"chain_id": result.chain_id, "block": result.block, "addresses": result.addresses}))
    else:
        for name, address in result.addresses.items():
            typer.echo(f"{name:<18} {address}")


def _existing(rpc: str, path: Path, chain_id: int) -> Deployment | None:
    """The deployment that `path` names, if it is on this chain, wired and of this version; None if there is none."""
    if not path.exists():
        return None
    found = Deployment.load(path)
    if found.chain_id != chain_id:
        raise MeritError(f"{path} is for chain {found.chain_id}, not {chain_id}; name another file with --deployment.")
    web3 = connect(rpc)
    if not web3.eth.get_code(found.addresses["AuditCourt"]):
        if chain_id == LOCAL_CHAIN_ID:  # a local chain that was restarted: its contracts are gone for good
            return None
        raise MeritError(f"{path} names contracts that chain {chain_id} does not have; check --rpc or move the file.")
    network = Network(web3, found)
    check_wiring(network)
    if not is_deployed(network):
        raise MeritError(f"{path} is a deployment of other contracts than this version's; move it away to deploy anew.")
    return found


def _address(value: str) -> ChecksumAddress:
    if not is_address(value):
        raise MeritError(f"{value} is not an address; name the token as 0x and 40 hexadecimal digits.")
    return to_checksum_address(value)
