"""How a program says who it is to the HTTP API: an EIP-712 signature over the request, in its `Authorization` header.

Authorization: Merit account=0x…, body=0x…, nonce=0x…, expiry=1800000000, signature=0x…
"""

import re
from dataclasses import dataclass

from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.typed_data import Call, Domain, sign

_HEADER = re.compile(
    r"Merit account=(0x[0-9a-fA-F]{40}), body=0x([0-9a-f]{64}), nonce=0x([0-9a-f]{64}), "
    r"expiry=([0-9]{1,15}), signature=0x((?:[0-9a-f]{2}){1,4096})"
)


@dataclass(frozen=True)
class CallSignature:
    """What the header holds; the rest of the signed `Call` is the request itself."""

    account: ChecksumAddress
    body: bytes
    nonce: bytes
    expiry: int
    signature: bytes


def sign_call(account: BaseAccount, domain: Domain, call: Call) -> str:
    """The header's value."""
    signature = sign(account, domain.call(call)).hex()
    return (
        f"Merit account={account.address}, body=0x{call.body.hex()}, nonce=0x{call.nonce.hex()}, "
        f"expiry={call.expiry}, signature=0x{signature}"
    )


def parse_call_signature(header: str) -> CallSignature | None:
    """What the header says; None where it is not such a header."""
    found = _HEADER.fullmatch(header)
    if found is None:
        return None
    account, body, nonce, expiry, signature = found.groups()
    return CallSignature(
        to_checksum_address(account), bytes.fromhex(body), bytes.fromhex(nonce), int(expiry), bytes.fromhex(signature)
    )
