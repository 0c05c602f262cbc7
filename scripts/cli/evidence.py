"""`merit evidence`: what audits look at, by its content."""

import sys
from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer

from backend.evidence.car import read_car, write_car
from backend.evidence.content_id import ContentId, content_id, content_id_of
from chain.client import MeritClient, UntrustworthyServiceError
from chain.contribution import content_digest
from chain.errors import MeritError
from scripts.cli.options import DEFAULT_RPC, Connection, DeploymentFile, Rpc, open_network, with_connection
from scripts.cli.submit import DEFAULT_API, Api

app = typer.Typer(help="Store, fetch, keep and archive evidence, by its content.", no_args_is_help=True)

Cid = Annotated[str, typer.Argument(help="CIDv1 of the evidence.")]
File = Annotated[Path, typer.Argument(help="A file.")]
Archive = Annotated[Path, typer.Argument(help="A CARv1 archive.")]


@app.command()
def cid(file: File) -> None:
    """Print the CID of a file; nothing is sent anywhere."""
    try:
        typer.echo(str(content_id_of(file)))
    except OSError as error:
        raise _unreadable(file) from error


@app.command()
@with_connection
def add(
    connection: Connection,
    file: File,
    api: Api = DEFAULT_API,
) -> None:
    """Store a file; prints its CID."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise _unreadable(file) from error
    with _open_client(api, connection) as client:
        client.put_evidence(data)
    typer.echo(str(content_id(data)))


@app.command()
def get(
    cid: Cid,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Where to; standard output by default.")] = None,
    api: Api = DEFAULT_API,
    rpc: Rpc = DEFAULT_RPC,
    deployment: DeploymentFile = None,
) -> None:
    """Fetch evidence and check it against its CID."""
    data = _fetch(cid, api, rpc, deployment)
    if output is None:
        sys.stdout.buffer.write(data)
    else:
        _write(output, data)


@app.command()
@with_connection
def pin(
    connection: Connection,
    cid: Cid,
    remove: Annotated[bool, typer.Option("--remove", help="Let it go again.")] = False,
    api: Api = DEFAULT_API,
) -> None:
    """Have evidence kept for as long as you want it; prints its CID."""
    ContentId.parse(cid)
    with _open_client(api, connection) as client:
        if remove:
            client.unpin_evidence(cid)
        else:
            client.pin_evidence(cid)
    typer.echo(cid)


@app.command("export")
def export_archive(
    cid: Cid,
    archive: Archive,
    api: Api = DEFAULT_API,
    rpc: Rpc = DEFAULT_RPC,
    deployment: DeploymentFile = None,
) -> None:
    """Fetch evidence, check it, and write it as an archive that every IPFS tool reads."""
    data = _fetch(cid, api, rpc, deployment)
    target = BytesIO()
    write_car(data, target)
    _write(archive, target.getvalue())
    typer.echo(str(archive))


@app.command("import")
@with_connection
def import_archive(
    connection: Connection,
    archive: Archive,
    api: Api = DEFAULT_API,
) -> None:
    """Check an archive and store its file; prints its CID."""
    try:
        with archive.open("rb") as source:
            root, data = read_car(source)
    except OSError as error:
        raise _unreadable(archive) from error
    with _open_client(api, connection) as client:
        client.put_evidence(data)
    typer.echo(str(root))


def _open_client(api: str, connection: Connection) -> MeritClient:
    network = connection.network()
    return MeritClient(api, network.domain, connection.account(network))


def _fetch(cid: str, api: str, rpc: str, deployment: Path | None) -> bytes:
    wanted = ContentId.parse(cid)
    with MeritClient(api, open_network(rpc, deployment).domain) as client:
        data = client.evidence_by_name(cid)
    if data is None:
        raise MeritError(f"{api} does not have {cid}; ask another service.")
    if content_id(data) != wanted and not (wanted.raw and content_digest(data) == wanted.digest):
        raise UntrustworthyServiceError(f"{api} gave other bytes than were asked for; use another one.")
    return data


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    partial = path.with_name(f"{path.name}.part")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise MeritError(f"Cannot write {path}; name a file in a folder of yours.") from error


def _unreadable(path: Path) -> MeritError:
    return MeritError(f"Cannot read {path}; name a file that is there.")
