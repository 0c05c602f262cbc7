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
from scripts.cli.amounts import parse_amount, show_amount
from scripts.cli.options import AsJson, Connection, with_connection

app = typer.Typer(help="Deposit, unbond and withdraw stake.", no_args_is_help=True)

Amount = Annotated[str, typer.Argument(help="Tokens, such as 12.5.")]


@app.command()
@with_connection
def deposit(connection: Connection, amount: Amount) -> None:
    """Approve and deposit stake."""
    units = parse_amount(amount)
    network = connection.network()
    sender = connection.sender(network)
    if network.token.functions.allowance(sender.address, network.vault.address).call() < units:
        sender.send(network.token.functions.approve(network.vault.address, units))
    sender.send(network.vault.functions.deposit(units))
    typer.echo(show_amount(units))


@app.command()
@with_connection
def unbond(connection: Connection, amount: Amount) -> None:
    """Begin to take stake out; it can be withdrawn after the unbonding delay."""
    units = parse_amount(amount)
    network = connection.network()
    sender = connection.sender(network)
    sender.send(network.vault.functions.beginUnbond(units))
    typer.echo(show_amount(units))


@app.command()
@with_connection
def withdraw(connection: Connection) -> None:
    """Withdraw matured stake and bounties."""
    network = connection.network()
    sender = connection.sender(network)
    before = network.token.functions.balanceOf(sender.address).call()
    sender.send(network.vault.functions.withdraw())
    typer.echo(show_amount(network.token.functions.balanceOf(sender.address).call() - before))


@app.command("status")
@with_connection
def status(
    connection: Connection,
    address: Annotated[str | None, typer.Argument(help="Account; default: the key's own.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what an account holds: free, staked, locked, unbonding, claimable, and its reputation."""
    network = connection.network()
    account = connection.account(network).address if address is None else parse_address(address)
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


def parse_address(text: str) -> ChecksumAddress:
    """An address. Raises `MeritError` for anything else."""
    if not is_address(text):
        raise MeritError(f"{text} is not an address; write 0x and 40 hexadecimal digits.")
    return to_checksum_address(text)
