"""`merit contracts`: prove that what is deployed is what the sources say."""

import json

import typer

from chain.deploy import same_code
from chain.errors import MeritError
from chain.network import Network
from scripts.cli.options import DEFAULT_RPC, AsJson, DeploymentFile, Rpc, open_network

app = typer.Typer(help="Verify deployed contracts.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Verify deployed contracts."""


@app.command()
def verify(rpc: Rpc = DEFAULT_RPC, deployment: DeploymentFile = None, as_json: AsJson = False) -> None:
    """Compile the sources anew and compare them, immutables aside, with the code on the chain."""
    from scripts.compiler import recompile  # noqa: PLC0415 - the other commands need no compiler

    network = open_network(rpc, deployment)
    typer.echo("Compiling the sources; this takes a minute or two ...", err=True)
    verdicts = {name: _matches(network, name, code) for name, code in recompile().items()}
    if as_json:
        typer.echo(json.dumps(verdicts))
    else:
        for name, verdict in verdicts.items():
            typer.echo(f"{name:<18} {'matches' if verdict else 'DIFFERS'}")
    if not all(verdicts.values()):
        differing = ", ".join(name for name, verdict in verdicts.items() if not verdict)
        raise MeritError(f"The chain holds other code than these sources for {differing}; do not trust it.")


def _matches(network: Network, name: str, code: str) -> bool:
    return same_code(network, name, bytes.fromhex(code))
