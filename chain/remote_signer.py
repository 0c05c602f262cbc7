"""An account whose key a web3signer holds: https://docs.web3signer.consensys.io, the `eth1` signing API.

The signer is given the bytes that are hashed and signed, never a bare hash: the transaction of EIP-1559, or the message
of EIP-712. What it returns is checked, so that a signer with another key is noticed before anything is sent.
"""

from typing import Any, NoReturn, Self
from urllib.parse import urlsplit

import httpx
import rlp
from eth_account.datastructures import SignedMessage, SignedTransaction
from eth_account.messages import SignableMessage
from eth_account.signers.base import BaseAccount
from eth_keys.datatypes import PublicKey, Signature
from eth_keys.exceptions import BadSignature
from eth_typing import ChecksumAddress, Hash32
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from hexbytes import HexBytes

from chain.errors import KeyFileError

_SECONDS = 10.0
_DYNAMIC_FEE = b"\x02"


class SignerError(KeyFileError):
    """The remote signer does not answer, refuses, or does not hold the key."""


class RemoteAccount(BaseAccount):
    """Signs what Merit needs: EIP-1559 transactions and EIP-191/712 messages. Safe to share between threads."""

    def __init__(self, client: httpx.Client, public_key: PublicKey) -> None:
        self._client = client
        self._public_key = public_key

    @classmethod
    def open(cls, url: str, address: ChecksumAddress | None, transport: httpx.BaseTransport | None = None) -> Self:
        """The account of `address`, or the only one that the signer at `url` holds. Raises `SignerError`."""
        client = httpx.Client(base_url=url, timeout=_SECONDS, transport=transport)
        try:
            held = [PublicKey(HexBytes(text)[-64:]) for text in _ask(client, "GET", "/api/v1/eth1/publicKeys").json()]
        except (ValueError, TypeError, ValidationError) as error:
            raise SignerError(f"{_origin(client)} does not list its keys; is it a web3signer in eth1 mode?") from error
        matching = [key for key in held if address in (None, key.to_checksum_address())]
        if len(matching) != 1:
            raise SignerError(
                f"The signer at {_origin(client)} does not hold the key of {address}; set MERIT_SIGNER_ADDRESS to one "
                "that it holds."
                if address is not None
                else f"The signer at {_origin(client)} holds {len(held)} keys; name one with MERIT_SIGNER_ADDRESS."
            )
        return cls(client, matching[0])

    @property
    def address(self) -> ChecksumAddress:
        """The account."""
        return self._public_key.to_checksum_address()

    def sign_message(self, signable_message: SignableMessage) -> SignedMessage:
        """Signature of an EIP-191 message. Raises `SignerError`."""
        data = b"\x19" + signable_message.version + signable_message.header + signable_message.body
        signature = self._sign(data)
        return SignedMessage(
            message_hash=HexBytes(keccak(data)),
            r=signature.r,
            s=signature.s,
            v=signature.v + 27,
            signature=HexBytes(signature.to_bytes()[:64] + bytes([signature.v + 27])),
        )

    def unsafe_sign_hash(self, message_hash: Hash32) -> NoReturn:
        """The signer hashes what it signs by itself. Always raises `SignerError`."""
        raise SignerError("A remote signer does not sign bare hashes; use a keystore for this.")

    def sign_transaction(self, transaction_dict: Any, blobs: Any = None) -> SignedTransaction:
        """A signed EIP-1559 transaction without an access list. Raises `SignerError`."""
        fields = [
            transaction_dict["chainId"],
            transaction_dict["nonce"],
            transaction_dict["maxPriorityFeePerGas"],
            transaction_dict["maxFeePerGas"],
            transaction_dict["gas"],
            bytes(HexBytes(transaction_dict.get("to", b""))),
            transaction_dict.get("value", 0),
            bytes(HexBytes(transaction_dict.get("data", b""))),
            [],
        ]
        signature = self._sign(_DYNAMIC_FEE + rlp.encode(fields))
        raw = _DYNAMIC_FEE + rlp.encode([*fields, signature.v, signature.r, signature.s])
        return SignedTransaction(
            raw_transaction=HexBytes(raw),
            hash=HexBytes(keccak(raw)),
            r=signature.r,
            s=signature.s,
            v=signature.v,
        )

    def _sign(self, data: bytes) -> Signature:
        """Signature of the Keccak hash of `data`."""
        path = f"/api/v1/eth1/sign/{self._public_key.to_hex()}"
        answer = _ask(self._client, "POST", path, json={"data": "0x" + data.hex()})
        try:
            given = bytes(HexBytes(answer.text.strip().strip('"')))
            # The recovery bit comes as 27 or 28.
            signature = Signature(given[:64] + bytes([given[64] % 27]))
            signer = signature.recover_public_key_from_msg(data)
        except (ValueError, IndexError, BadSignature, ValidationError) as error:
            raise SignerError(f"{_origin(self._client)} did not answer with a signature; see its log.") from error
        if signer != self._public_key:
            raise SignerError(f"{_origin(self._client)} signed with another key than that of {self.address}.")
        return signature


def _ask(client: httpx.Client, method: str, path: str, **named: Any) -> httpx.Response:
    try:
        return client.request(method, path, **named).raise_for_status()
    except httpx.HTTPStatusError as error:
        raise SignerError(
            f"The signer at {_origin(client)} refuses with status {error.response.status_code}; see its log."
        ) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SignerError(f"No signer answers at {_origin(client)}; start it, or correct MERIT_SIGNER_URL.") from error


def _origin(client: httpx.Client) -> str:
    """The signer's URL without what may be a secret in it."""
    parts = urlsplit(str(client.base_url))
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port is not None else "")
