"""Who calls: a program that signs each request (EIP-712), or a person who has signed in (EIP-4361).

Accounts may be contracts (ERC-1271). Everything that is signed names this service, this chain and this deployment, is
good for minutes, and is good once.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from eth_account.messages import encode_defunct
from eth_typing import ChecksumAddress, HexAddress, HexStr
from sqlmodel import Session

from backend.database import Database
from backend.identity import repository
from backend.identity.sign_in import SignInMessage
from backend.operation.limits import RateLimit
from backend.problems import ProblemError
from backend.signatures import SignatureChecker
from backend.threads import in_thread
from chain.signed_call import parse_call_signature
from chain.typed_data import Call, Domain

LONGEST_LIFE = 300  # seconds that a signed request, or a message to sign in with, may be good
SIGN_IN_LIFE = 24 * 3600
_CLOCK_SKEW = 60


@dataclass(frozen=True)
class Caller:
    """An account that proved itself. `body`: SHA-256 digest of the body that it signed; None for a person."""

    account: ChecksumAddress
    body: bytes | None

    def check_body(self, digest: bytes) -> None:
        """Raise a 401 problem where another body came than was signed."""
        if self.body is not None and digest != self.body:
            raise unauthenticated("wrong-body", "The body is not the one that was signed; sign it again.")


class Identity:
    """One per process."""

    def __init__(
        self,
        *,
        database: Database,
        signatures: SignatureChecker,
        domain: Domain,
        origin: str,
        limit: RateLimit,
        clock: Callable[[], float],
    ) -> None:
        self._database = database
        self._signatures = signatures
        self._domain = domain
        self._origin = origin
        self._limit = limit
        self._clock = clock

    async def authenticate(self, authorization: str | None, method: str, path: str, query: str) -> Caller:
        """The caller of a request. Raises a 401 problem, or 429 where the account asks too often."""
        if authorization is None:
            raise unauthenticated("identity-needed", "This needs an account; sign the request, or sign in.")
        kind, _, token = authorization.partition(" ")
        caller = (
            Caller(await self._signed_in(token), None)
            if kind == "Bearer"
            else await self._signed_by(authorization, method, path, query)
        )
        self._limit.admit(caller.account)
        return caller

    async def sign_in(self, text: str, signature: bytes) -> tuple[str, ChecksumAddress, int]:
        """A token for the account that signed an EIP-4361 message, and until when (Unix seconds) it is good."""
        now = self._clock()
        message = SignInMessage.parse(text)
        if not message.is_for(self._origin, self._domain.chain_id):
            raise unauthenticated(
                "wrong-origin",
                f"The message is for another place; this is {self._origin} on chain {self._domain.chain_id}.",
            )
        ends = message.expires_at if message.expires_at is not None else now + SIGN_IN_LIFE
        if not message.issued_at - _CLOCK_SKEW <= now <= message.issued_at + LONGEST_LIFE or ends <= now:
            raise unauthenticated("expired", "The message is not of now; ask the wallet to sign a new one.")
        if message.not_before is not None and now < message.not_before:
            raise unauthenticated("not-yet-valid", "The message is not valid yet; wait, or sign another.")
        if not await self._signatures.signed_by(message.account, encode_defunct(text=text), signature):
            raise unauthenticated("wrong-signature", f"The signature is not {message.account}'s over this message.")
        await self._use(message.account, sha256(message.nonce.encode()).digest(), now + LONGEST_LIFE + _CLOCK_SKEW)
        self._limit.admit(message.account)
        token, expires_at = secrets.token_urlsafe(32), int(min(ends, now + SIGN_IN_LIFE))
        await self._remember(_digest(token), message.account, expires_at)
        return token, message.account, expires_at

    def sign_out(self, authorization: str | None) -> None:
        """End what `sign_in` began; nothing happens where there is nothing to end."""
        kind, _, token = (authorization or "").partition(" ")
        if kind == "Bearer":
            with self._database.write() as session:
                repository.end_sign_in(session, _digest(token))

    @in_thread
    def _remember(self, token_digest: bytes, account: ChecksumAddress, expires_at: int) -> None:
        with self._database.write() as session:
            repository.add_sign_in(session, token_digest, account, expires_at)

    @in_thread
    def _signed_in(self, token: str) -> ChecksumAddress:
        with self._database.read() as session:
            found = repository.find_sign_in(session, _digest(token))
        if found is None or found.expires_at <= self._clock():
            raise unauthenticated("expired", "Nobody is signed in by this token any more; sign in again.")
        return ChecksumAddress(HexAddress(HexStr(found.account)))

    async def _signed_by(self, authorization: str, method: str, path: str, query: str) -> Caller:
        said = parse_call_signature(authorization)
        if said is None:
            raise unauthenticated("malformed-authorization", "The Authorization header cannot be read; see the docs.")
        now = self._clock()
        if not now < said.expiry <= now + LONGEST_LIFE + _CLOCK_SKEW:
            raise unauthenticated(
                "expired", f"A request is signed for at most {LONGEST_LIFE} s; set the clock, and sign it again."
            )
        call = Call(self._origin, method, path, query, said.body, said.nonce, said.expiry)
        if not await self._signatures.signed_by(said.account, self._domain.call(call), said.signature):
            raise unauthenticated(
                "wrong-signature",
                f"The signature is not {said.account}'s over this request to {self._origin}; use that address.",
            )
        await self._use(said.account, said.nonce, said.expiry)
        return Caller(said.account, said.body)

    async def _use(self, account: ChecksumAddress, nonce: bytes, expires_at: float) -> None:
        if not await self._database.write_together(self._use_all, (account, nonce, int(expires_at))):
            raise unauthenticated("replayed", "This was used before; sign again with a new nonce.")

    def _use_all(self, session: Session, used: Sequence[tuple[str, bytes, int]]) -> list[bool]:
        repository.forget_expired(session, int(self._clock()))
        return [repository.use_nonce(session, *one) for one in used]


def unauthenticated(kind: str, sentence: str) -> ProblemError:
    """401, which says by what a caller may prove itself."""
    return ProblemError(401, kind, sentence, headers={"WWW-Authenticate": "Merit, Bearer"})


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
