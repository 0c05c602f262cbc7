"""Keys: written for their owner only, read back with the password only, and in no message."""

import json
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from eth_keys.datatypes import PrivateKey
from eth_utils.address import to_checksum_address

from chain.errors import KeyFileError
from chain.keys import account_from_keystore, account_from_raw, create_keystore, list_keystores, open_signer
from chain.remote_signer import RemoteAccount, SignerError
from chain.typed_data import Domain, sign, signer_of

KEY = "0x" + "5e" * 32
ACCOUNT: LocalAccount = Account.from_key(KEY)
OTHER: LocalAccount = Account.from_key("0x" + "6f" * 32)
TRANSACTION: dict[str, Any] = {
    "chainId": 31337,
    "nonce": 7,
    "maxPriorityFeePerGas": 3,
    "maxFeePerGas": 1000,
    "gas": 50_000,
    "to": OTHER.address,
    "value": 12,
    "data": "0x00ff",
}


@pytest.fixture
def keystore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    encrypt = Account.encrypt
    monkeypatch.setattr(
        ACCOUNT, "encrypt", lambda password: encrypt(ACCOUNT.key, password, iterations=2), raising=False
    )
    return create_keystore(tmp_path / "keys", ACCOUNT, "open")


def test_create_keystore__read_back__same_account_and_readable_by_the_owner_only(keystore: Path) -> None:
    assert account_from_keystore(keystore, "open").address == ACCOUNT.address
    assert stat.S_IMODE(keystore.stat().st_mode) == 0o600
    assert stat.S_IMODE(keystore.parent.stat().st_mode) == 0o700
    assert list(keystore.parent.iterdir()) == [keystore]
    assert KEY[2:] not in keystore.read_text()


def test_create_keystore__again__refused_and_the_first_stays(keystore: Path) -> None:
    before = keystore.read_bytes()
    with pytest.raises(KeyFileError, match="exists already"):
        create_keystore(keystore.parent, ACCOUNT, "another")
    assert keystore.read_bytes() == before


def test_create_keystore__empty_password__refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="password is empty"):
        create_keystore(tmp_path, ACCOUNT, "")
    assert not list(tmp_path.iterdir())


def test_account_from_keystore__wrong_password__says_so_without_it(keystore: Path) -> None:
    with pytest.raises(KeyFileError, match="password does not open") as failure:
        account_from_keystore(keystore, "hunter2")
    assert "hunter2" not in str(failure.value)


def test_account_from_raw__malformed__not_quoted() -> None:
    with pytest.raises(KeyFileError, match="does not hold a private key") as failure:
        account_from_raw("0xdeadbeef", "The file")
    assert "deadbeef" not in str(failure.value)


def test_list_keystores__other_files_too__passed_over(keystore: Path) -> None:
    for name, text in (("letter.json", "Dear"), ("list.json", "[]"), ("empty.json", "{}"), ("note.txt", "x")):
        (keystore.parent / name).write_text(text)
    assert list_keystores(keystore.parent) == {ACCOUNT.address: keystore}


# ---------------------------------------------------------------- web3signer


class Web3Signer:
    """A web3signer in eth1 mode, on the wire: the keys that it holds sign the Keccak hash of what they are given."""

    def __init__(self, *accounts: LocalAccount) -> None:
        self.keys = {PrivateKey(account.key).public_key.to_hex(): PrivateKey(account.key) for account in accounts}
        self.answer: httpx.Response | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.answer is not None:
            return self.answer
        if (request.method, request.url.path) == ("GET", "/api/v1/eth1/publicKeys"):
            return httpx.Response(200, json=list(self.keys))
        assert request.method == "POST"
        place, _, identifier = request.url.path.rpartition("/")
        assert place == "/api/v1/eth1/sign"
        if identifier not in self.keys:
            return httpx.Response(404)
        data = bytes.fromhex(json.loads(request.content)["data"].removeprefix("0x"))
        signature = self.keys[identifier].sign_msg(data)
        raw = signature.to_bytes()[:64] + bytes([signature.v + 27])
        return httpx.Response(200, text="0x" + raw.hex())

    def open(self, account: LocalAccount | None = None) -> RemoteAccount:
        address = None if account is None else account.address
        return RemoteAccount.open("http://user:hidden@signer:9000", address, httpx.MockTransport(self))


def test_remote__transaction__the_same_bytes_as_a_local_key_signs() -> None:
    remote = Web3Signer(ACCOUNT).open()
    assert remote.address == ACCOUNT.address
    ours, theirs = remote.sign_transaction(TRANSACTION), ACCOUNT.sign_transaction(TRANSACTION)
    assert ours == theirs
    assert Account.recover_transaction(ours.raw_transaction) == ACCOUNT.address


def test_remote__new_contract__the_same_bytes_as_a_local_key_signs() -> None:
    transaction = {name: value for name, value in TRANSACTION.items() if name not in ("to", "value")}
    assert Web3Signer(ACCOUNT).open().sign_transaction(transaction) == ACCOUNT.sign_transaction(transaction)


def test_remote__messages__the_same_signatures_as_a_local_key() -> None:
    remote = Web3Signer(ACCOUNT).open()
    request = Domain(31337, OTHER.address).request(1, OTHER.address, 2, b"\x03" * 32)
    assert sign(remote, request) == sign(ACCOUNT, request)
    assert signer_of(request, sign(remote, request)) == ACCOUNT.address
    assert remote.sign_message(encode_defunct(text="hello")) == ACCOUNT.sign_message(encode_defunct(text="hello"))


def test_remote__several_keys__the_named_one() -> None:
    signer = Web3Signer(ACCOUNT, OTHER)
    assert signer.open(OTHER).address == OTHER.address
    with pytest.raises(SignerError, match="holds 2 keys; name one with MERIT_SIGNER_ADDRESS"):
        signer.open()
    with pytest.raises(SignerError, match="does not hold the key of 0x"):
        Web3Signer(ACCOUNT).open(OTHER)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (httpx.Response(500), "refuses with status 500"),
        (httpx.Response(200, text="0x1234"), "did not answer with a signature"),
        (httpx.Response(200, text="<html>"), "did not answer with a signature"),
        (httpx.Response(200, text="0x" + bytes(65).hex()), "did not answer with a signature"),
    ],
)
def test_remote__signer_misbehaves__one_sentence(answer: httpx.Response, sentence: str) -> None:
    signer = Web3Signer(ACCOUNT)
    remote = signer.open()
    signer.answer = answer
    with pytest.raises(SignerError, match=sentence) as failure:
        remote.sign_transaction(TRANSACTION)
    assert "hidden" not in str(failure.value)


def test_remote__signs_with_another_key__noticed() -> None:
    signer = Web3Signer(ACCOUNT)
    remote = signer.open()
    (identifier,) = signer.keys
    signer.keys[identifier] = PrivateKey(OTHER.key)
    with pytest.raises(SignerError, match="signed with another key"):
        remote.sign_transaction(TRANSACTION)


def test_remote__not_a_signer__says_so() -> None:
    signer = Web3Signer(ACCOUNT)
    for answer in (
        httpx.Response(200, json={"keys": 1}),
        httpx.Response(200, text="hello"),
        httpx.Response(200, json=[1]),
    ):
        signer.answer = answer
        with pytest.raises(SignerError, match="does not list its keys; is it a web3signer"):
            signer.open()


def test_remote__bare_hash__refused() -> None:
    with pytest.raises(SignerError, match="does not sign bare hashes"):
        Web3Signer(ACCOUNT).open().unsafe_sign_hash(b"\x01" * 32)  # type: ignore[arg-type]


def test_open_signer__malformed_address__not_quoted() -> None:
    with pytest.raises(KeyFileError, match="MERIT_SIGNER_ADDRESS is not an address"):
        open_signer("http://127.0.0.1:9", "someone")


def test_open_signer__nobody_there__says_so() -> None:
    with pytest.raises(SignerError, match=r"No signer answers at http://127\.0\.0\.1:9; start it"):
        open_signer("http://127.0.0.1:9", to_checksum_address(OTHER.address))
