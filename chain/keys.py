"""Signing keys: keystore-v3 files, raw keys and remote signers. Nothing here prints or logs a key."""

import contextlib
import json
import os
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.address import is_address, to_checksum_address

from chain.errors import KeyFileError
from chain.remote_signer import RemoteAccount


def account_from_keystore(path: Path, password: str) -> LocalAccount:
    """Unlock a keystore-v3 file."""
    keystore = _read(path)
    try:
        account: LocalAccount = Account.from_key(Account.decrypt(keystore, password))
    except (ValueError, KeyError, TypeError) as error:
        raise KeyFileError(f"The password does not open {path}; check the password or the file.") from error
    return account


def account_from_raw(key: str, origin: str) -> LocalAccount:
    """The account of a raw key; `origin` says in a failure where it came from."""
    try:
        account: LocalAccount = Account.from_key(key)
    except Exception:  # the message of the cause may quote the key, so it is cut off
        raise KeyFileError(f"{origin} does not hold a private key: 0x and 64 hexadecimal digits.") from None
    return account


def account_from_environment(variable: str) -> LocalAccount:
    """The raw key that an environment variable holds."""
    raw = os.environ.get(variable, "")
    if not raw:
        raise KeyFileError(f"No key is given; set {variable}, or name a keystore file.")
    return account_from_raw(raw, variable)


def open_signer(url: str, address: str | None) -> RemoteAccount:
    """The account that a web3signer holds; `address` names it where there are several."""
    if address is not None and not is_address(address):
        raise KeyFileError("MERIT_SIGNER_ADDRESS is not an address; write 0x and 40 hexadecimal digits.")
    return RemoteAccount.open(url, None if address is None else to_checksum_address(address))


# ---------------------------------------------------------------- files


def create_keystore(directory: Path, account: LocalAccount, password: str) -> Path:
    """Write `<address>.json`, readable by its owner only, whole or not at all. Raises `KeyFileError`."""
    path = directory / f"{account.address}.json"
    if path.exists():
        raise KeyFileError(f"{path} exists already; move it away to write the key anew.")
    if not password:
        raise KeyFileError("The password is empty; choose one.")
    document = json.dumps(account.encrypt(password))
    partial = path.with_suffix(".partial")
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise KeyFileError(f"Cannot write {path} ({error.strerror}); name another directory.") from error
    return path


def list_keystores(directory: Path) -> dict[ChecksumAddress, Path]:
    """Accounts of the keystore files in a directory, by address; other files are passed over."""
    found: dict[ChecksumAddress, Path] = {}
    for path in sorted(directory.glob("*.json")):
        with contextlib.suppress(KeyFileError):
            address = _read(path).get("address")
            if isinstance(address, str) and is_address(address):
                found[to_checksum_address(address)] = path
    return found


def _read(path: Path) -> dict[str, object]:
    try:
        keystore = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KeyFileError(f"Cannot read the key file {path}; name a keystore-v3 JSON file.") from error
    if not isinstance(keystore, dict):
        raise KeyFileError(f"Cannot read the key file {path}; name a keystore-v3 JSON file.")
    return keystore
