"""`merit train`: hold the rounds of a training job, take part in them, see what came of it."""

import json
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event as StopEvent
from typing import TYPE_CHECKING, Annotated, Any

import typer
from eth_utils.address import is_address, to_checksum_address

from chain.client import MeritClient
from chain.errors import MeritError
from chain.logs import configure_logs
from chain.network import Network
from scripts.cli.amounts import show_amount
from scripts.cli.options import AsJson, Connection, with_connection
from scripts.cli.submit import DEFAULT_API, Api
from verifier.shared.pots import return_pots

if TYPE_CHECKING:
    from verifier.training.rounds import Rounds

app = typer.Typer(help="Train models together, for pay by contribution.", no_args_is_help=True)

Job = Annotated[int, typer.Option(help="Number of the job.")]
Pause = Annotated[float, typer.Option(min=0.1, help="Seconds between two looks at the chain.")]
Data = Annotated[Path, typer.Option(help="Directory for updates that wait to be opened, and what is known of rounds.")]
Ray = Annotated[
    str | None, typer.Option(envvar="MERIT_RAY_ADDRESS", help="Ray cluster over whose workers large rounds are valued.")
]
DEFAULT_DATA = Path("merit-train")


@app.command()
@with_connection
def host(
    connection: Connection,
    job: Job,
    gather: Annotated[float, typer.Option(min=1, help="Seconds in which trainers may enter a round.")] = 60.0,
    address: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on.")] = 8100,
    data: Data = DEFAULT_DATA,
    ray: Ray = None,
    pause: Pause = 2.0,
    api: Api = DEFAULT_API,
) -> None:
    """Hold one round after the other until interrupted: as the organiser that the job names, with stake."""
    from verifier.node.court import Court  # noqa: PLC0415 - the other commands need none of this
    from verifier.training.desk import serve_desk  # noqa: PLC0415
    from verifier.training.organiser import Organiser  # noqa: PLC0415

    network = connection.network()
    account, stop = connection.account(network), _until_interrupted()
    with _rounds(network, job, api, data, ray) as rounds, MeritClient(api, network.domain, account) as client:
        if rounds.job.organiser != account.address:
            raise MeritError(f"Rounds of job {job} are held by {rounds.job.organiser}; use that account's key.")
        court = Court(network, connection.sender(network))
        organiser = Organiser(court, account, network, rounds, client.put_evidence)
        with serve_desk(organiser, address, port) as taken:
            typer.echo(f"Trainers enter at http://{address}:{taken}.", err=True)
            organiser.run(stop, gather, pause)


@app.command()
@with_connection
def join(connection: Connection) -> None:
    """Deposit what the account's stake lacks of the least that organisers let in; prints the account."""
    network = connection.network()
    sender, vault = connection.sender(network), network.vault
    lacking = vault.functions.minimumStake().call() - vault.functions.stakeOf(sender.address).call()[0]
    if lacking > 0:
        sender.send(network.token.functions.approve(vault.address, lacking))
        sender.send(vault.functions.deposit(lacking))
    typer.echo(sender.address)


@app.command()
@with_connection
def run(
    connection: Connection,
    job: Job,
    organiser: Annotated[str, typer.Option(help="URL at which the organiser takes entries.")],
    function: Annotated[
        str | None,
        typer.Option(help="module:function or file.py:function that trains; else plain descent on the assigned rows."),
    ] = None,
    kept: Annotated[float, typer.Option(min=0.001, max=1, help="Fraction of the update that is sent.")] = 1.0,
    data: Data = DEFAULT_DATA,
    ray: Ray = None,
    pause: Pause = 2.0,
    api: Api = DEFAULT_API,
) -> None:
    """Take part in every round until interrupted: train, commit, open, claim."""
    from verifier.training.desk import post_entry  # noqa: PLC0415 - as above
    from verifier.training.own_function import load_function, train_on_assigned  # noqa: PLC0415
    from verifier.training.trainer import Trainer  # noqa: PLC0415

    network = connection.network()
    account, stop = connection.account(network), _until_interrupted()
    trains = train_on_assigned if function is None else load_function(function)
    with _rounds(network, job, api, data, ray) as rounds, MeritClient(api, network.domain, account) as client:
        trainer = Trainer(
            account=account,
            network=network,
            rounds=rounds,
            enter=lambda entry: post_entry(organiser, entry),
            publish=client.put_evidence,
            local_update=trains,
            folder=data / account.address,
            kept=kept,
        )
        typer.echo(f"{trainer.address} takes part in job {job}.", err=True)
        trainer.run(stop, pause)


@app.command()
@with_connection
def status(
    connection: Connection,
    job: Job,
    trainer: Annotated[str | None, typer.Option(help="Whose shares to show; by default those of the key.")] = None,
    data: Data = DEFAULT_DATA,
    ray: Ray = None,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Show what every paid round came to for a trainer, worked out here from the evidence."""
    if trainer is not None and not is_address(trainer):
        raise MeritError(f"{trainer} is not an account; name an address.")
    network = connection.network()
    address = to_checksum_address(trainer or connection.account(network).address)
    with _rounds(network, job, api, data, ray) as rounds:
        told: list[dict[str, Any]] = [
            {
                "round": result.state.number,
                "trainers": len(result.shares),
                "share": str(result.shares.get(address, 0)),
                "standing": result.state.standing.get(address, 0) / 1e6,
                "reason": result.refused.get(address, ""),
            }
            for result in rounds.paid()
        ]
    if as_json:
        typer.echo(json.dumps(told))
        return
    typer.echo(f"{'round':>5} {'paid trainers':>13} {'share':>16} {'standing':>8}  reason")
    for one in told:
        share = show_amount(int(one["share"]))
        typer.echo(f"{one['round']:>5} {one['trainers']:>13} {share:>16} {one['standing']:>8.2f}  {one['reason']}")


@app.command()
@with_connection
def reclaim(connection: Connection, job: Job) -> None:
    """Return to the job what was not claimed in time of its rounds' pots; prints how much."""
    network = connection.network()
    typer.echo(show_amount(return_pots(network, connection.sender(network), job)))


@contextmanager
def _rounds(network: Network, job: int, api: str, data: Path, ray: str | None) -> "Iterator[Rounds]":
    from verifier.node.evidence import EvidenceLimits, EvidenceReader  # noqa: PLC0415 - as above
    from verifier.training.cluster import RayMap  # noqa: PLC0415
    from verifier.training.rounds import open_rounds  # noqa: PLC0415

    with closing(EvidenceReader([api], EvidenceLimits())) as evidence:
        yield open_rounds(network, evidence, job, data / "rounds", map if ray is None else RayMap(ray))


def _until_interrupted() -> StopEvent:
    configure_logs("info")
    stop = StopEvent()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
