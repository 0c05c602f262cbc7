"""Options that several commands share, and how they become a network and a key."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any

import typer
from eth_account import Account
from eth_account.signers.base import BaseAccount
from eth_account.signers.local import LocalAccount
from web3 import Web3

from chain.deployment import Deployment
from chain.errors import KeyFileError, MeritError
from chain.keys import account_from_environment, account_from_keystore, open_signer
from chain.localnet import DEVELOPMENT_KEY
from chain.network import Network, connect
from chain.sender import TransactionSender

KEY_VARIABLE = "MERIT_PRIVATE_KEY"
LOCAL_CHAIN_ID = 31337
_SIGNER_VARIABLE = "MERIT_SIGNER_URL"
_KEY_VARIABLES = (KEY_VARIABLE, f"{KEY_VARIABLE}_FILE", "MERIT_KEYSTORE", _SIGNER_VARIABLE)

Rpc = Annotated[
    str, typer.Option("--rpc", envvar="MERIT_RPC_URL", help="URL of the chain's RPC endpoint; several by commas.")
]
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


def load_account(keystore: Path | None, password_file: Path | None, chain_id: int | None = None) -> BaseAccount:
    """The signing key: a keystore, a remote signer, the environment, or a local chain's first account."""
    if keystore is not None:
        return account_from_keystore(keystore, read_password(password_file))
    if os.environ.get(_SIGNER_VARIABLE):
        return open_signer(os.environ[_SIGNER_VARIABLE], os.environ.get("MERIT_SIGNER_ADDRESS"))
    if os.environ.get(KEY_VARIABLE):
        typer.secho(f"Using the raw key in {KEY_VARIABLE}; a keystore file is safer.", fg="yellow", err=True)
        return account_from_environment(KEY_VARIABLE)
    if chain_id == LOCAL_CHAIN_ID:
        _tell_development_key()
        account: LocalAccount = Account.from_key(DEVELOPMENT_KEY)
        return account
    raise KeyFileError(
        f"No key is given; name a keystore with --keystore, or set {_SIGNER_VARIABLE} or {KEY_VARIABLE}."
    )


def key_settings(web3: Web3, keystore: Path | None, password_file: Path | None) -> dict[str, str | Path]:
    """The key as settings of a long-running program; on a local chain without any, the first development key."""
    if keystore is not None:
        return {"keystore": keystore, "password": read_password(password_file)}
    if web3.eth.chain_id != LOCAL_CHAIN_ID or any(os.environ.get(name) for name in _KEY_VARIABLES):
        return {}
    _tell_development_key()
    return {"private_key": DEVELOPMENT_KEY}


@dataclass(frozen=True)
class Connection:
    """The network and the key that a command's options name."""

    rpc: str
    deployment: Path | None
    keystore: Path | None
    password_file: Path | None

    def network(self) -> Network:
        """Connect. Raises `MeritError`."""
        return open_network(self.rpc, self.deployment)

    def account(self, network: Network) -> BaseAccount:
        """Unlock the key. Raises `KeyFileError`."""
        return load_account(self.keystore, self.password_file, network.deployment.chain_id)

    def sender(self, network: Network) -> TransactionSender:
        """A sender for the key, within MERIT_MAX_FEE_GWEI."""
        return TransactionSender(network.web3, self.account(network), fee_limit=_fee_limit())

    def settings(self) -> dict[str, Any]:
        """The same as settings of a long-running program."""
        web3 = connect(self.rpc)
        return {
            "rpc_url": self.rpc,
            "deployment": self.deployment or deployment_path(web3.eth.chain_id),
            **key_settings(web3, self.keystore, self.password_file),
        }


def with_connection(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, whose first parameter is a `Connection`, the four options that make one up instead."""
    _, *own = signature(command).parameters.values()
    shared = [
        Parameter("rpc", Parameter.KEYWORD_ONLY, default=DEFAULT_RPC, annotation=Rpc),
        Parameter("deployment", Parameter.KEYWORD_ONLY, default=None, annotation=DeploymentFile),
        Parameter("keystore", Parameter.KEYWORD_ONLY, default=None, annotation=Keystore),
        Parameter("password_file", Parameter.KEYWORD_ONLY, default=None, annotation=PasswordFile),
    ]

    @wraps(command)
    def complete(**given: Any) -> None:
        command(Connection(**{option.name: given.pop(option.name) for option in shared}), **given)

    parameters = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in own] + shared
    complete.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    complete.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return complete


def _fee_limit() -> int | None:
    text = os.environ.get("MERIT_MAX_FEE_GWEI")
    if not text:
        return None
    try:
        limit = Decimal(text) * 10**9
        if limit.is_finite() and limit > 0:
            return int(limit)
    except InvalidOperation:
        pass
    raise MeritError("MERIT_MAX_FEE_GWEI is not an amount; write gwei as a decimal number such as 30.")


def _tell_development_key() -> None:
    typer.secho("Using the first development account of the local chain.", fg="yellow", err=True)


def read_password(file: Path | None, what: str = "password", *, confirm: bool = False) -> str:
    """The secret in a file, or else a password that is typed without being shown, twice to `confirm` it."""
    if file is None:
        password: str = typer.prompt("Password", hide_input=True, err=True, confirmation_prompt=confirm)
        return password
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, ValueError) as error:
        raise KeyFileError(f"Cannot read the {what} file {file}.") from error
