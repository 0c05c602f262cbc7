"""`merit stake` and `merit status`: what an account has at stake, in escrow and to withdraw."""

import json
from typing import Annotated

import typer
from eth_typing import ChecksumAddress
from eth_utils.address import is_address, to_checksum_address
from rich.console import Console
from rich.table import Table

from chain.errors import MeritError
from chain.network import Network
from chain.sender import TransactionSender
from scripts.cli.amounts import parse_amount, show_amount
from scripts.cli.options import (
    DEFAULT_RPC,
    AsJson,
    DeploymentFile,
    Keystore,
    PasswordFile,
    Rpc,
    load_account,
    open_network,
)

app = typer.Typer(help="Deposit, unbond and withdraw stake.", no_args_is_help=True)

Amount = Annotated[str, typer.Argument(help="Tokens, such as 12.5.")]


@app.command()
def deposit(
    amount: Amount,
    rpc: Rpc = DEFAULT_RPC,
    deployment: DeploymentFile = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
) -> None:
    """Approve and deposit stake."""
    units = parse_amount(amount)
    network, sender = open_sender(rpc, deployment, keystore, password_file)
    if network.token.functions.allowance(sender.address, network.vault.address).call() < units:
        sender.send(network.token.functions.approve(network.vault.address, units))
    sender.send(network.vault.functions.deposit(units))
    typer.echo(show_amount(units))


@app.command()
def unbond(
    amount: Amount,
    rpc: Rpc = DEFAULT_RPC,
    deployment: DeploymentFile = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
) -> None:
    """Begin to take stake out; it can be withdrawn after the unbonding delay."""
    units = parse_amount(amount)
    network, sender = open_sender(rpc, deployment, keystore, password_file)
    sender.send(network.vault.functions.beginUnbond(units))
    typer.echo(show_amount(units))


@app.command()
def withdraw(
    rpc: Rpc = DEFAULT_RPC,
    deployment: DeploymentFile = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
) -> None:
    """Withdraw matured stake and bounties."""
    network, sender = open_sender(rpc, deployment, keystore, password_file)
    before = network.token.functions.balanceOf(sender.address).call()
    sender.send(network.vault.functions.withdraw())
    typer.echo(show_amount(network.token.functions.balanceOf(sender.address).call() - before))


def status(
    address: Annotated[str | None, typer.Argument(help="Account; default: the key's own.")] = None,
    rpc: Rpc = DEFAULT_RPC,
    deployment: DeploymentFile = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Show what an account holds: free, staked, locked, unbonding, claimable, and its reputation."""
    network = open_network(rpc, deployment)
    if address is None:
        account = load_account(keystore, password_file, network.deployment.chain_id).address
    else:
        account = parse_address(address)
    holdings = read_holdings(network, account)
    if as_json:
        typer.echo(json.dumps(holdings))
        return
    table = Table(title=account)
    table.add_column("what")
    table.add_column("amount", justify="right")
    for name, value in holdings.items():
        table.add_row(
            name.replace("_", " "),
            show_amount(value) if isinstance(value, int) and not isinstance(value, bool) else str(value),
        )
    Console().print(table)


def read_holdings(network: Network, account: ChecksumAddress) -> dict[str, int | float | bool]:
    """Amounts in token units, the reputation as a probability."""
    stake = network.vault.functions.stakeOf(account).call()
    active, locked, unbonding, matured, bounties = stake
    return {
        "tokens": network.token.functions.balanceOf(account).call(),
        "staked": active,
        "locked": locked,
        "free_stake": max(0, active - locked),
        "unbonding": unbonding,
        "matured": matured,
        "bounties": bounties,
        "claimable": network.escrow.functions.creditOf(account).call(),
        "committee_member": network.vault.functions.isMember(account).call(),
        "reputation": network.oracle.functions.reputationOf(account).call() / 1e18,
    }


def open_sender(
    rpc: Rpc, deployment: DeploymentFile, keystore: Keystore, password_file: PasswordFile
) -> tuple[Network, TransactionSender]:
    """The network and a sender for the key that the options name."""
    network = open_network(rpc, deployment)
    account = load_account(keystore, password_file, network.deployment.chain_id)
    return network, TransactionSender(network.web3, account)


def parse_address(text: str) -> ChecksumAddress:
    """An address. Raises `MeritError` for anything else."""
    if not is_address(text):
        raise MeritError(f"{text} is not an address; write 0x and 40 hexadecimal digits.")
    return to_checksum_address(text)
