"""`merit verifier`: join the committee, leave it, run a node."""

from pathlib import Path
from typing import Annotated, Any

import typer

from chain.network import connect
from scripts.cli.options import DEFAULT_RPC, DeploymentFile, Keystore, PasswordFile, Rpc, deployment_path, key_settings
from scripts.cli.stake import open_sender

app = typer.Typer(help="Join the committee, leave it, run a node.", no_args_is_help=True)


@app.command()
def join(
    rpc: Rpc = DEFAULT_RPC,
    deployment: DeploymentFile = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
) -> None:
    """Become eligible for committees from the next period on."""
    network, sender = open_sender(rpc, deployment, keystore, password_file)
    sender.send(network.vault.functions.joinCommittee())
    typer.echo(sender.address)


@app.command()
def leave(
    rpc: Rpc = DEFAULT_RPC,
    deployment: DeploymentFile = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
) -> None:
    """Stop being drawn from the next period on; audits already drawn must still be finished."""
    network, sender = open_sender(rpc, deployment, keystore, password_file)
    sender.send(network.vault.functions.leaveCommittee())
    typer.echo(sender.address)


@app.command()
def run(
    rpc: Rpc = DEFAULT_RPC,
    deployment: DeploymentFile = None,
    keystore: Keystore = None,
    password_file: PasswordFile = None,
    evidence: Annotated[
        str | None, typer.Option(envvar="MERIT_EVIDENCE_URLS", help="API that has the evidence; several by commas.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(envvar="MERIT_MODELS_DIRECTORY", help="Directory of registered models.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(envvar="MERIT_DATA_DIRECTORY", help="Directory of the journal and the chain history.")
    ] = None,
) -> None:
    """Run a committee node until interrupted. All other settings are MERIT_* variables."""
    from verifier.node.run import run as run_node  # noqa: PLC0415 - the other commands need no torch
    from verifier.node.settings import NodeSettings  # noqa: PLC0415

    web3 = connect(rpc)
    overrides: dict[str, Any] = {
        "rpc_url": rpc,
        "deployment": deployment or deployment_path(web3.eth.chain_id),
        **key_settings(web3, keystore, password_file),
        "evidence_urls": evidence,
        "models_directory": models,
        "data_directory": data,
    }
    run_node(NodeSettings.load(**{name: value for name, value in overrides.items() if value is not None}))
