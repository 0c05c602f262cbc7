"""`merit epoch`: whether an epoch's proposed scores are right, challenging them where not, and proofs of final ones."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple
from typing import Annotated

import typer

from chain.calls import read
from chain.errors import MeritError
from chain.network import Network
from scripts.cli.options import AsJson, Connection, with_connection
from scripts.cli.stake import parse_address
from verifier.node.evidence import EvidenceLimits, EvidenceReader

app = typer.Typer(help="Verify and challenge the scores of epochs; prove final ones.", no_args_is_help=True)

Evidence = Annotated[
    str, typer.Option(envvar="MERIT_EVIDENCE_URLS", help="API that has the published rows; several by commas.")
]
DEFAULT_EVIDENCE = "http://127.0.0.1:8000"
_ROWS_BYTES = 2**28


@app.command()
@with_connection
def verify(
    connection: Connection,
    evidence: Evidence = DEFAULT_EVIDENCE,
    as_json: AsJson = False,
) -> None:
    """Recompute the live proposal from the chain; exit status 1 unless it is right."""
    from verifier.epochs.examination import examine, live_proposal  # noqa: PLC0415 - compiles on first use
    from verifier.epochs.history import EpochHistory  # noqa: PLC0415

    network = connection.network()
    proposal, history = live_proposal(network), EpochHistory(network)
    history.advance()
    with _rows(evidence) as rows:
        found = examine(network, history, rows.find, proposal)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "epoch": proposal.epoch,
                    "proposer": proposal.proposer,
                    "right": found.is_right,
                    "rows": proposal.row_count,
                    "error_bound": found.error_bound,
                    "verdict": found.sentence,
                    "faults": [fault.sentence for fault in found.faults],
                }
            )
        )
    else:
        typer.echo(found.sentence)
    if not found.is_right:
        raise typer.Exit(1)


@app.command()
@with_connection
def challenge(
    connection: Connection,
    evidence: Evidence = DEFAULT_EVIDENCE,
    as_json: AsJson = False,
) -> None:
    """Send the next challenge that a wrong proposal calls for, and take back bonds; run it again until it is void."""
    from verifier.epochs.challenger import EpochChallenger  # noqa: PLC0415 - compiles on first use

    network = connection.network()
    sender = connection.sender(network)
    with _rows(evidence) as rows:
        challenger = EpochChallenger(network, sender, rows.find)
        done = challenger.step()
    verdict = challenger.examined.sentence if challenger.examined is not None else "No proposal is live."
    if as_json:
        typer.echo(json.dumps({"verdict": verdict, "done": done}))
        return
    typer.echo(verdict)
    for sentence in done:
        typer.echo(sentence)


@app.command()
@with_connection
def proof(
    connection: Connection,
    address: Annotated[str, typer.Argument(help="Account whose score is to be proven.")],
    epoch: Annotated[int | None, typer.Option(help="Default: the last final one.")] = None,
    evidence: Evidence = DEFAULT_EVIDENCE,
    as_json: AsJson = False,
) -> None:
    """Print an account's row in a final epoch and the proof that `verifyScore` and `checkIn` take."""
    from verifier.epochs.examination import final_scores  # noqa: PLC0415 - compiles on first use
    from verifier.epochs.history import EpochHistory  # noqa: PLC0415

    account, network = parse_address(address), connection.network()
    chosen = epoch if epoch is not None else _last_final(network)
    history = EpochHistory(network)
    history.advance()
    with _rows(evidence) as rows:
        found = final_scores(network, history, rows.find, chosen).row_of(account)
    if found is None:
        raise MeritError(f"{account} has no feedback up to epoch {chosen}, and no row in it; name another account.")
    row, nodes = found
    if not read(network.oracle.functions.verifyScore(chosen, astuple(row), nodes)):
        raise MeritError(f"The oracle does not take this proof for epoch {chosen}; ask another endpoint.")
    siblings = ["0x" + node.hex() for node in nodes]
    if as_json:
        typer.echo(json.dumps({"epoch": chosen, "row": row.__dict__, "proof": siblings}))
        return
    typer.echo(f"epoch {chosen}")
    typer.echo(f"row   ({', '.join(str(member) for member in astuple(row))})")
    typer.echo(f"proof [{', '.join(siblings)}]")


@contextmanager
def _rows(urls: str) -> Iterator[EvidenceReader]:
    with closing(EvidenceReader(urls.split(","), EvidenceLimits(size=_ROWS_BYTES))) as reader:
        yield reader


def _last_final(network: Network) -> int:
    epoch: int = read(network.oracle.functions.latestFinalEpoch())
    if not epoch:
        raise MeritError("The scores of no epoch are final yet; wait until a proposal's window is over.")
    return epoch
