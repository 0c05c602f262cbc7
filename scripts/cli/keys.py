"""`merit keys`: keystore-v3 files. Keys and passwords are asked for without being shown, and never printed."""

import json
from pathlib import Path
from typing import Annotated

import typer
from eth_account import Account
from eth_account.signers.local import LocalAccount

from chain.errors import KeyFileError
from chain.keys import account_from_keystore, account_from_raw, create_keystore, list_keystores
from scripts.cli.options import AsJson, PasswordFile, read_password
from scripts.cli.stake import parse_address

app = typer.Typer(help="Make, import and list keystore files.", no_args_is_help=True)

Directory = Annotated[
    Path, typer.Option("--directory", envvar="MERIT_KEYS_DIRECTORY", help="Directory of keystore files.")
]
_DIRECTORY = Path("keys")


@app.command()
def new(directory: Directory = _DIRECTORY, password_file: PasswordFile = None) -> None:
    """Make a key and print its address."""
    account: LocalAccount = Account.create()
    _write(directory, account, password_file)


@app.command("import")
def import_(
    directory: Directory = _DIRECTORY,
    password_file: PasswordFile = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File that holds the raw key; default: it is asked for.")
    ] = None,
) -> None:
    """Put a raw key into a keystore file and print its address."""
    if key_file is None:
        raw, origin = typer.prompt("Private key", hide_input=True, err=True), "What was typed"
    else:
        raw, origin = read_password(key_file, "key"), str(key_file)
    _write(directory, account_from_raw(raw, origin), password_file)


@app.command("list")
def list_(directory: Directory = _DIRECTORY, as_json: AsJson = False) -> None:
    """Print the addresses of all keystore files and where they are."""
    found = list_keystores(directory)
    if as_json:
        typer.echo(json.dumps({address: str(path) for address, path in found.items()}))
        return
    for address, path in found.items():
        typer.echo(f"{address} {path}")


@app.command()
def show(
    address: Annotated[str, typer.Argument(help="Account of the key.")],
    directory: Directory = _DIRECTORY,
    password_file: PasswordFile = None,
    as_json: AsJson = False,
) -> None:
    """Unlock a key to see that its password is known; print its public part, by which a remote signer names it."""
    wanted = parse_address(address)
    path = list_keystores(directory).get(wanted)
    if path is None:
        raise KeyFileError(f"There is no key of {wanted} in {directory}; `merit keys list` shows those there are.")
    account = account_from_keystore(path, read_password(password_file))
    shown = {
        "address": account.address,
        "file": str(path),
        "public_key": account._key_obj.public_key.to_hex(),
    }
    if as_json:
        typer.echo(json.dumps(shown))
        return
    for name, value in shown.items():
        typer.echo(f"{name.replace('_', ' '):<12} {value}")


def _write(directory: Path, account: LocalAccount, password_file: Path | None) -> None:
    path = create_keystore(directory, account, read_password(password_file, confirm=True))
    typer.echo(f"Wrote {path}; keep a copy of it and of its password.", err=True)
    typer.echo(account.address)
