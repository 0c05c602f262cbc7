"""`merit source`: offer documents to be searched, for pay by what the answers are worth, and ask those of others."""

import json
import signal
import time
from contextlib import ExitStack
from pathlib import Path
from threading import Event as StopEvent
from typing import Annotated

import typer
from eth_utils.address import is_address, to_checksum_address

from chain.client import MeritClient
from chain.errors import MeritError
from chain.logs import configure_logs
from scripts.cli.amounts import parse_amount, show_amount
from scripts.cli.options import AsJson, Connection, with_connection
from scripts.cli.submit import DEFAULT_API, Api

app = typer.Typer(
    help="Offer documents to be searched, for pay by what the answers are worth, or ask.", no_args_is_help=True
)

_DAY = 86_400
# Seconds for an answer, which a model writes; one that is valued is written several times.
_PATIENCE = 120.0

Folder = Annotated[Path, typer.Argument(help="Folder with .txt, .md, .jsonl or .pdf files.")]
Source = Annotated[int, typer.Option(min=1, help="Number of the source.")]
Endpoint = Annotated[str, typer.Option(help="URL at which the source can be reached.")]


@app.command()
@with_connection
def register(connection: Connection, folder: Folder, endpoint: Endpoint) -> None:
    """Commit to the folder's passages and put a stake behind them; prints the source's number."""
    from verifier.retrieval.corpus import Corpus  # noqa: PLC0415 - the other commands need none of this
    from verifier.retrieval.reading import read_passages  # noqa: PLC0415
    from verifier.retrieval.source import register as put_on_chain  # noqa: PLC0415

    corpus = Corpus(read_passages(folder))
    network = connection.network()
    typer.echo(put_on_chain(network, connection.sender(network), corpus, endpoint))


@app.command()
@with_connection
def serve(
    connection: Connection,
    folder: Folder,
    source: Source,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on.")] = 8200,
    asker: Annotated[list[str] | None, typer.Option(help="Account whose queries are answered; all if none.")] = None,
    private: Annotated[bool, typer.Option("--private", help="Keep the index: the source is not paid then.")] = False,
    pause: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the folder.")] = 5.0,
    api: Api = DEFAULT_API,
) -> None:
    """Answer queries until interrupted. What changes in the folder becomes a new version on the chain."""
    from verifier.retrieval.source import SourceNode, serve_source  # noqa: PLC0415 - as above

    for one in asker or []:
        if not is_address(one):
            raise MeritError(f"{one} is not an account; name an address.")
    askers = frozenset(to_checksum_address(one) for one in asker) if asker else None
    network = connection.network()
    account, stop = connection.account(network), StopEvent()
    configure_logs("info")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as opened:
        publish = None
        if not private:
            publish = opened.enter_context(MeritClient(api, network.domain, account)).put_evidence
        node = SourceNode(network, account, source, folder, askers, publish)
        node.refresh()
        taken = opened.enter_context(serve_source(node, address, port))
        typer.echo(f"Source {source} answers at http://{address}:{taken}.", err=True)
        node.run(stop, pause)


@app.command()
@with_connection
def job(
    connection: Connection,
    organiser: Annotated[str, typer.Option(help="Account that asks and holds the windows; not the one that pays.")],
    judge: Annotated[list[str], typer.Option(help="Account on whose word answers are right; repeat for several.")],
    pot: Annotated[str, typer.Option(help="Tokens that a window pays.")],
    amount: Annotated[str, typer.Option(help="Tokens put into escrow: pots and audit fees of all windows.")],
    committee: Annotated[int, typer.Option(min=3, help="Verifiers that work each window out.")] = 5,
    audit_fee: Annotated[str, typer.Option(help="Tokens that they share for a window.")] = "3",
    samples: Annotated[int, typer.Option(min=1, max=16, help="Leaves of a window that an audit looks at.")] = 8,
    days: Annotated[int, typer.Option(min=1, help="Days until the job expires.")] = 30,
    network_wide: Annotated[
        bool, typer.Option("--network", help="Have this job's audits decide on reliabilities; as governor.")
    ] = False,
    api: Api = DEFAULT_API,
) -> None:
    """Open a job that pays sources for their answers; prints its number."""
    from verifier.retrieval.opening import open_job  # noqa: PLC0415 - as above
    from verifier.retrieval.records import RetrievalJob  # noqa: PLC0415

    for one in (organiser, *judge):
        if not is_address(one):
            raise MeritError(f"{one} is not an account; name an address.")
    network = connection.network()
    sender, account = connection.sender(network), connection.account(network)
    described = RetrievalJob(to_checksum_address(organiser), tuple(to_checksum_address(one) for one in judge), units=1)
    with MeritClient(api, network.domain, account) as client:
        number = open_job(
            network,
            sender,
            client.put_evidence,
            described,
            pot=parse_amount(pot),
            funds=parse_amount(amount),
            audit_fee=parse_amount(audit_fee),
            committee=committee,
            samples=samples,
            expiry=int(time.time()) + days * _DAY,
        )
    if network_wide:
        sender.send(network.sources.functions.setJob(number))
    typer.echo(number)


@app.command()
@with_connection
def move(connection: Connection, source: Source, endpoint: Endpoint) -> None:
    """Say that a source can be reached elsewhere."""
    network = connection.network()
    connection.sender(network).send(network.sources.functions.setEndpoint(source, endpoint))
    typer.echo(endpoint)


@app.command()
@with_connection
def retire(connection: Connection, source: Source) -> None:
    """End a source for good and begin to take its stake out; prints how much."""
    network = connection.network()
    sender = connection.sender(network)
    stake = network.sources.functions.stake().call()
    sender.send(network.sources.functions.retire(source))
    sender.send(network.source_vault.functions.beginUnbond(stake))
    typer.echo(show_amount(stake))


@app.command()
@with_connection
def withdraw(connection: Connection) -> None:
    """Withdraw the matured stake of retired sources, and bounties for showing false answers."""
    network = connection.network()
    sender = connection.sender(network)
    vault = network.source_vault.functions
    _, _, _, matured, credit = vault.stakeOf(sender.address).call()
    sender.send(vault.withdraw())
    typer.echo(show_amount(matured + credit))


@app.command()
@with_connection
def ask(
    connection: Connection,
    text: Annotated[str, typer.Argument(help="The question.")],
    passages: Annotated[int, typer.Option(min=1, max=10, help="Passages that are wanted.")] = 3,
    valued: Annotated[
        bool, typer.Option("--valued", help="Show what each source added to the answer; takes longer.")
    ] = False,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Ask the network's sources: an answer where the service writes one, and the passages that it can rest on."""
    network = connection.network()
    with MeritClient(api, network.domain, connection.account(network), timeout=_PATIENCE) as client:
        found = client.query(text, passages, valued=valued)
    if as_json:
        typer.echo(json.dumps(found))
        return
    if "answer" in found:
        typer.echo(f"{_printable(found['answer']['text'])}\n")
    if "no_answer" in found:
        typer.echo(found["no_answer"], err=True)
    for number, passage in enumerate(found["passages"], 1):
        whose = f"source {passage['source']}, reliability {passage['reliability']:.2f}"
        typer.echo(f"[{number}] {whose}: {_printable(passage['text'])}")
    for one in found.get("answer", {}).get("values") or []:
        typer.echo(f"source {one['source']} added {one['value']:+.2f} to the answer")


def _printable(text: str) -> str:
    """A stranger's text without what would command a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


@app.command()
@with_connection
def status(connection: Connection, as_json: AsJson = False) -> None:
    """Show all sources: version, passages, reliability as checked in on the chain."""
    from verifier.retrieval.book import SourceBook  # noqa: PLC0415 - as above

    network = connection.network()
    book = SourceBook(network)
    book.advance()
    told = [
        {
            "source": source.source_id,
            "owner": source.owner,
            "endpoint": source.endpoint,
            "version": source.version,
            "passages": source.commitments[source.version].passages,
            "active": source.active,
            "reliability": network.sources.functions.reliabilityOf(source.source_id).call()[0] / 1e6,
        }
        for source in book.sources.values()
    ]
    if as_json:
        typer.echo(json.dumps(told))
        return
    typer.echo(
        f"{'source':>6} {'owner':<42} {'version':>7} {'passages':>8} {'active':<6} {'reliability':>11}  endpoint"
    )
    for one in told:
        typer.echo(
            f"{one['source']:>6} {one['owner']:<42} {one['version']:>7} {one['passages']:>8} "
            f"{'yes' if one['active'] else 'no':<6} {one['reliability']:>11.3f}  {one['endpoint']}"
        )
