"""Sign-In with Ethereum (EIP-4361): the text that a person's wallet shows and signs.

Written here because the `siwe` package holds eth-account and web3 back by a major version each.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from eth_typing import ChecksumAddress
from eth_utils.address import is_checksum_address, to_checksum_address

from backend.problems import ProblemError

_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9:.]+(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
_MESSAGE = re.compile(
    r"(?:(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*)://)?(?P<domain>[^\s/?#]+)"
    r" wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9a-fA-F]{40})\n\n"
    r"(?:(?P<statement>[^\n]+)\n)?\n"
    r"URI: (?P<uri>\S+)\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain_id>[0-9]{1,18})\n"
    r"Nonce: (?P<nonce>[a-zA-Z0-9]{8,64})\n"
    rf"Issued At: (?P<issued_at>{_TIME})"
    rf"(?:\nExpiration Time: (?P<expires_at>{_TIME}))?"
    rf"(?:\nNot Before: (?P<not_before>{_TIME}))?"
    r"(?:\nRequest ID: [^\n]*)?"
    r"(?:\nResources:(?:\n- \S+)*)?"
)


@dataclass(frozen=True)
class SignInMessage:
    """What of the message matters to whoever checks it; times are Unix seconds."""

    scheme: str | None
    domain: str
    account: ChecksumAddress
    uri: str
    chain_id: int
    nonce: str
    issued_at: float
    expires_at: float | None
    not_before: float | None

    @classmethod
    def parse(cls, text: str) -> "SignInMessage":
        """Raises a 422 problem for anything but the standard's form."""
        found = _MESSAGE.fullmatch(text)
        if found is None or not is_checksum_address(found["address"]):
            raise _malformed()
        return cls(
            scheme=found["scheme"],
            domain=found["domain"],
            account=to_checksum_address(found["address"]),
            uri=found["uri"],
            chain_id=int(found["chain_id"]),
            nonce=found["nonce"],
            issued_at=_seconds(found["issued_at"]),
            expires_at=_seconds(found["expires_at"]) if found["expires_at"] else None,
            not_before=_seconds(found["not_before"]) if found["not_before"] else None,
        )

    def is_for(self, origin: str, chain_id: int) -> bool:
        """Whether it was signed to enter this service on this chain."""
        scheme, _, domain = origin.partition("://")
        at_origin = self.uri == origin or self.uri.startswith(f"{origin}/")
        return (self.scheme or scheme, self.domain, self.chain_id) == (scheme, domain, chain_id) and at_origin


def _seconds(text: str) -> float:
    try:
        return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        raise _malformed() from None


def _malformed() -> ProblemError:
    return ProblemError(422, "malformed-sign-in", "The message is not one of Sign-In with Ethereum; see EIP-4361.")
