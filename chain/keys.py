"""Loading signing keys. Nothing here prints, logs or stores a key."""

import json
import os
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from chain.errors import KeyFileError


def account_from_keystore(path: Path, password: str) -> LocalAccount:
    """Unlock a keystore-v3 file."""
    try:
        keystore = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise KeyFileError(f"Cannot read the key file {path}; name a keystore-v3 JSON file.") from error
    try:
        account: LocalAccount = Account.from_key(Account.decrypt(keystore, password))
    except (ValueError, KeyError, TypeError) as error:
        raise KeyFileError(f"The password does not open {path}; check the password or the file.") from error
    return account


def account_from_environment(variable: str) -> LocalAccount:
    """The raw key that an environment variable holds."""
    raw = os.environ.get(variable, "")
    if not raw:
        raise KeyFileError(f"No key is given; set {variable}, or name a keystore file.")
    try:
        account: LocalAccount = Account.from_key(raw)
    except Exception:  # the message of the cause may quote the key, so it is cut off
        raise KeyFileError(f"{variable} does not hold a private key: 0x and 64 hexadecimal digits.") from None
    return account
