"""Options that several commands share, and how they become a network and a key."""

import os
from pathlib import Path
from typing import Annotated

import typer
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3

from chain.deployment import Deployment
from chain.errors import KeyFileError
from chain.keys import account_from_environment, account_from_keystore
from chain.localnet import DEVELOPMENT_KEY
from chain.network import Network, connect

KEY_VARIABLE = "MERIT_PRIVATE_KEY"
LOCAL_CHAIN_ID = 31337
_KEY_VARIABLES = (KEY_VARIABLE, f"{KEY_VARIABLE}_FILE", "MERIT_KEYSTORE")

Rpc = Annotated[str, typer.Option("--rpc", envvar="MERIT_RPC_URL", help="URL of the chain's RPC endpoint.")]
DeploymentFile = Annotated[
    Path | None,
    typer.Option("--deployment", envvar="MERIT_DEPLOYMENT", help="Default: deployments/<chain id>.json."),
]
Keystore = Annotated[
    Path | None, typer.Option("--keystore", envvar="MERIT_KEYSTORE", help="Keystore-v3 file of the signing key.")
]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", envvar="MERIT_PASSWORD_FILE", help="File that holds the keystore's password."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]

DEFAULT_RPC = "http://127.0.0.1:8545"


def open_network(rpc_url: str, deployment: Path | None) -> Network:
    """Connect to the network of a deployment file, by default the one for the endpoint's chain id."""
    if deployment is None:
        deployment = deployment_path(connect(rpc_url).eth.chain_id)
    return Network.connect(rpc_url, Deployment.load(deployment))


def deployment_path(chain_id: int) -> Path:
    """Where a chain's deployment file is unless another is named."""
    return Path("deployments") / f"{chain_id}.json"


def load_account(keystore: Path | None, password_file: Path | None, chain_id: int | None = None) -> LocalAccount:
    """The signing key: a keystore, else the environment, else (on a local chain) the first development account."""
    if keystore is not None:
        return account_from_keystore(keystore, _password(password_file))
    if os.environ.get(KEY_VARIABLE):
        typer.secho(f"Using the raw key in {KEY_VARIABLE}; a keystore file is safer.", fg="yellow", err=True)
        return account_from_environment(KEY_VARIABLE)
    if chain_id == LOCAL_CHAIN_ID:
        _tell_development_key()
        account: LocalAccount = Account.from_key(DEVELOPMENT_KEY)
        return account
    raise KeyFileError(f"No key is given; name a keystore with --keystore, or set {KEY_VARIABLE}.")


def key_settings(web3: Web3, keystore: Path | None, password_file: Path | None) -> dict[str, str | Path]:
    """The key as settings of a long-running program; on a local chain without any, the first development key."""
    if keystore is not None:
        return {"keystore": keystore, "password": _password(password_file)}
    if web3.eth.chain_id != LOCAL_CHAIN_ID or any(os.environ.get(name) for name in _KEY_VARIABLES):
        return {}
    _tell_development_key()
    return {"private_key": DEVELOPMENT_KEY}


def _tell_development_key() -> None:
    typer.secho("Using the first development account of the local chain.", fg="yellow", err=True)


def _password(password_file: Path | None) -> str:
    if password_file is None:
        password: str = typer.prompt("Password", hide_input=True, err=True)
        return password
    try:
        return password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise KeyFileError(f"Cannot read the password file {password_file}.") from error
