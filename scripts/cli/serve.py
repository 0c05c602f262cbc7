"""`merit serve`: the HTTP API, the recorder and the indexer."""

from typing import Annotated, Any

import typer

from chain.network import connect
from scripts.cli.options import (
    DEFAULT_RPC,
    DeploymentFile,
    Keystore,
    PasswordFile,
    Rpc,
    deployment_path,
    key_settings,
)


def command(
    rpc: Rpc = DEFAULT_RPC,
    deployment: DeploymentFile = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    host: Annotated[str | None, typer.Option(envvar="MERIT_HOST", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(envvar="MERIT_PORT", help="Port to listen on.")] = None,
) -> None:
    """Run the API, the recorder and the indexer until interrupted. All other settings are MERIT_* variables."""
    from backend.server import serve  # noqa: PLC0415 - the other commands need no server
    from backend.settings import Settings  # noqa: PLC0415

    web3 = connect(rpc)
    overrides: dict[str, Any] = {
        "rpc_url": rpc,
        "deployment": deployment or deployment_path(web3.eth.chain_id),
        "host": host,
        "port": port,
        **key_settings(web3, keystore, password_file),
    }
    serve(Settings.load(**{name: value for name, value in overrides.items() if value is not None}))
