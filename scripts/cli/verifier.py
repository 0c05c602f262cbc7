"""`merit verifier`: join the committee, leave it, run a node, see how it does, move it to another machine."""

import json
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from eth_utils.address import to_checksum_address

from chain.errors import MeritError
from chain.network import Network
from scripts.cli.amounts import show_amount
from scripts.cli.options import AsJson, Connection, with_connection
from scripts.cli.stake import read_holdings

app = typer.Typer(help="Join the committee, leave it, run a node.", no_args_is_help=True)

Data = Annotated[
    Path, typer.Option("--data", envvar="MERIT_DATA_DIRECTORY", help="Directory of the journal and the chain history.")
]
_DATA = Path("merit-node")
_STATUS_SECONDS = 5.0


@app.command()
@with_connection
def join(connection: Connection) -> None:
    """Become eligible for committees from the next period on."""
    network = connection.network()
    sender = connection.sender(network)
    sender.send(network.vault.functions.joinCommittee())
    typer.echo(sender.address)


@app.command()
@with_connection
def leave(connection: Connection) -> None:
    """Stop being drawn from the next period on; audits already drawn must still be finished."""
    network = connection.network()
    sender = connection.sender(network)
    sender.send(network.vault.functions.leaveCommittee())
    typer.echo(sender.address)


@app.command()
@with_connection
def run(
    connection: Connection,
    evidence: Annotated[
        str | None, typer.Option(envvar="MERIT_EVIDENCE_URLS", help="API that has the evidence; several by commas.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(envvar="MERIT_MODELS_DIRECTORY", help="Directory of registered models.")
    ] = None,
    data: Data = _DATA,
    watch_epochs: Annotated[
        bool | None, typer.Option("--watch-epochs", help="Challenge wrong scores of epochs, at the account's cost.")
    ] = None,
) -> None:
    """Run a committee node until interrupted. All other settings are MERIT_* variables."""
    from verifier.node.run import run as run_node  # noqa: PLC0415 - the other commands need no torch
    from verifier.node.settings import NodeSettings  # noqa: PLC0415

    overrides: dict[str, Any] = {
        **connection.settings(),
        "evidence_urls": evidence,
        "models_directory": models,
        "data_directory": data,
        "watch_epochs": watch_epochs,
    }
    run_node(NodeSettings.load(**{name: value for name, value in overrides.items() if value is not None}))


@app.command()
@with_connection
def status(
    connection: Connection,
    data: Data = _DATA,
    node: Annotated[
        str, typer.Option(envvar="MERIT_STATUS_URL", help="Where the running node serves /status.")
    ] = "http://127.0.0.1:9464",
    as_json: AsJson = False,
) -> None:
    """Show a node's stake, profit and open duties: from the node while it runs, else from its journal."""
    network = connection.network()
    shown = _report(network, _ask_node(node) or _read_files(data))
    if as_json:
        typer.echo(json.dumps(shown))
        return
    for name in ("staked", "earned", "lost", "profit"):
        shown[name] = f"{show_amount(shown[name])} tokens"
    shown["gas"] = f"{show_amount(shown.pop('gas_spent_wei'))} of the chain's currency"
    duties = shown.pop("duties")
    for name, value in shown.items():
        typer.echo(f"{name.replace('_', ' '):<18} {value}")
    for duty in duties:
        typer.echo(f"{'duty':<18} {duty['step']} for batch {duty['batch']} within {duty['seconds_left']} s")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="File to write; take it to the other machine.")],
    data: Data = _DATA,
    again: Annotated[bool, typer.Option(help="Export once more, because the first file was lost.")] = False,
) -> None:
    """Move the journal out. The node cannot be started here any more, so that two never do the same work."""
    from verifier.node.journal import Journal, read_journal  # noqa: PLC0415 - as the node's other parts

    path = data / "journal.sqlite"
    owner, _ = read_journal(path)
    with closing(Journal.open(path, owner, exported=again)) as journal:
        journal.export(file)
    typer.echo(f"{data} is closed to work; run `merit verifier import {file.name}` on the other machine.", err=True)
    typer.echo(str(file))


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="File that `merit verifier export` wrote; it is used up.")],
    data: Data = _DATA,
) -> None:
    """Take over an exported journal: the node goes on here where it stopped there."""
    from verifier.node.journal import import_journal, read_journal  # noqa: PLC0415 - as the node's other parts

    import_journal(file, data / "journal.sqlite")
    owner, _ = read_journal(data / "journal.sqlite")
    typer.echo(owner.verifier)


def _ask_node(url: str) -> dict[str, Any] | None:
    """What the running node says about itself; None where none answers there."""
    try:
        answer: dict[str, Any] = httpx.get(f"{url}/status", timeout=_STATUS_SECONDS).raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    if "verifier" not in answer:
        raise MeritError(f"The node has not read the chain yet: {answer.get('trouble')} Ask again in a moment.")
    return {**answer, "running": True}


def _read_files(data: Path) -> dict[str, Any]:
    """The same, as far as the journal of a stopped node knows it."""
    from verifier.node.journal import read_journal  # noqa: PLC0415 - as the node's other parts

    owner, totals = read_journal(data / "journal.sqlite")
    return {
        "verifier": owner.verifier,
        "running": False,
        "earned": totals.earned,
        "lost": totals.lost,
        "gas_spent_wei": sum(totals.spent.values()),
        "duties": [],
    }


def _report(network: Network, node: dict[str, Any]) -> dict[str, Any]:
    verifier = to_checksum_address(node["verifier"])
    holdings = read_holdings(network, verifier)
    earned, lost = int(node["earned"]), int(node["lost"])
    return {
        "verifier": verifier,
        "running": node["running"],
        "ready": node.get("ready", False),
        "committee_member": holdings["committee_member"],
        "staked": holdings["staked"],
        "earned": earned,
        "lost": lost,
        "profit": earned - lost,
        "gas_spent_wei": int(node["gas_spent_wei"]),
        "duties": node["duties"],
    }
