"""`merit submit` and `merit why`: hand finished work in, and see what became of it."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from chain.client import MeritClient, Work
from chain.contribution import MalformedRecordError, canonical_json
from scripts.cli.options import DEFAULT_RPC, AsJson, Connection, DeploymentFile, Rpc, open_network, with_connection

Api = Annotated[str, typer.Option("--api", envvar="MERIT_API_URL", help="URL of the API.")]
DEFAULT_API = "http://127.0.0.1:8000"


@with_connection
def command(
    connection: Connection,
    work: Annotated[
        Path,
        typer.Argument(
            help='JSON lines, one piece of work each: {"units": 32, "trace_root": "0x...", "evidence": {...}}, in the '
            "order in which the requester numbered its requests."
        ),
    ],
    job: Annotated[int, typer.Option(help="Number of the job.")],
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Sign finished work and hand it in; prints the id of each contribution."""
    pieces = read_work(work)
    network = connection.network()
    with MeritClient(api, network.domain, connection.account(network)) as client:
        receipts = client.submit(job, pieces)
    if as_json:
        typer.echo(json.dumps([{"id": receipt.id, "sequence": receipt.leaf.sequence} for receipt in receipts]))
        return
    for receipt in receipts:
        typer.echo(receipt.id)


def why(
    contribution: Annotated[str, typer.Argument(help="Id of the contribution, as `merit submit` prints it.")],
    api: Api = DEFAULT_API,
    rpc: Rpc = DEFAULT_RPC,
    deployment: DeploymentFile = None,
    as_json: AsJson = False,
) -> None:
    """Show stage by stage where a contribution stands, and why."""
    with MeritClient(api, open_network(rpc, deployment).domain) as client:
        answer = client.why(contribution)
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for stage in answer["stages"]:
        typer.echo(f"{stage['stage']:<12} {stage['state']:<10} {stage['reason']}")


def read_work(path: Path) -> list[Work]:
    """The pieces that a file lists. Raises `MalformedRecordError`, which names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MalformedRecordError(f"Cannot read {path}; name a file of JSON lines.") from error
    pieces = [_parse_line(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not pieces:
        raise MalformedRecordError(f"{path} lists no work; write one JSON object a line.")
    return pieces


def _parse_line(path: Path, number: int, line: str) -> Work:
    try:
        raw: dict[str, Any] = json.loads(line)
        root = bytes.fromhex(raw["trace_root"].removeprefix("0x"))
        evidence, units = raw["evidence"], raw["units"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise MalformedRecordError(
            f"Line {number} of {path} is not a piece of work; it needs units, trace_root and evidence."
        ) from error
    if len(root) != 32 or not isinstance(units, int) or isinstance(units, bool) or units < 1:
        raise MalformedRecordError(
            f"Line {number} of {path}: units must be a positive whole number and trace_root 32 bytes of hex digits."
        )
    return Work(units=units, trace_root=root, evidence=canonical_json(evidence))
