"""`merit batch`: bring work to the chain without the recorder."""

import json
from pathlib import Path
from typing import Annotated

import typer

from chain.calls import read
from chain.client import MeritClient
from chain.contribution import MAX_BATCH_LEAVES, Leaf, MalformedRecordError, build_batch, content_digest
from chain.sender import TransactionSender
from chain.typed_data import message_digest, sign
from scripts.cli.options import AsJson, Connection, with_connection
from scripts.cli.submit import DEFAULT_API, Api, read_work

app = typer.Typer(help="Bring work to the chain without the recorder.", no_args_is_help=True)
_SIGNED_FOR = 3600  # seconds; the transaction is sent at once


@app.callback()
def _commands() -> None:
    """Makes `record` a command of its own although it is the only one."""


@app.command()
@with_connection
def record(
    connection: Connection,
    work: Annotated[Path, typer.Argument(help="JSON lines of finished work, as `merit submit` takes them.")],
    job: Annotated[int, typer.Option(help="Number of the job.")],
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Sign a batch and record it yourself; prints its id. The API is asked only to keep the evidence.

    Leaves that the recorder holds and has not recorded yet lose their numbers to this batch.
    """
    pieces = read_work(work)
    if len(pieces) > MAX_BATCH_LEAVES:
        raise MalformedRecordError(f"{work} lists {len(pieces)} pieces; a batch holds {MAX_BATCH_LEAVES} at most.")
    network = connection.network()
    account = connection.account(network)
    first = read(network.court.functions.nextLeaf(job, account.address))
    leaves = [
        Leaf(job, account.address, first + at, piece.units, piece.trace_root, content_digest(piece.evidence))
        for at, piece in enumerate(pieces)
    ]
    deadline = network.web3.eth.get_block("latest")["timestamp"] + _SIGNED_FOR
    batch, manifest = build_batch(leaves, deadline)
    message = network.domain.batch(batch)
    with MeritClient(api, network.domain, account) as client:  # before the audit can ask for it
        for block in (*(piece.evidence for piece in pieces), manifest):
            client.put_evidence(block)
    sender = TransactionSender(network.web3, account)
    sender.send(network.court.functions.record([batch.as_tuple()], [sign(account, message)]))
    batch_id = "0x" + message_digest(message).hex()
    if as_json:
        typer.echo(json.dumps({"batch": batch_id, "first": first, "count": batch.count}))
        return
    typer.echo(batch_id)
