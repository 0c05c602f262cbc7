"""All SQL over nonces and sign-ins."""

from sqlalchemy import delete
from sqlmodel import Session, col

from backend.database import insert_new
from backend.identity.models import SignIn, UsedNonce


def use_nonce(session: Session, account: str, nonce: bytes, expires_at: int) -> bool:
    """Note it; False where the account has used it before."""
    return insert_new(session, UsedNonce(account=account, nonce=nonce, expires_at=expires_at))


def add_sign_in(session: Session, token_digest: bytes, account: str, expires_at: int) -> None:
    """Let the holder of a token act for an account."""
    session.add(SignIn(token_digest=token_digest, account=account, expires_at=expires_at))


def find_sign_in(session: Session, token_digest: bytes) -> SignIn | None:
    """Whose token it is, even if it has expired."""
    return session.get(SignIn, token_digest)


def end_sign_in(session: Session, token_digest: bytes) -> None:
    """The token is good for nothing from now on."""
    session.exec(delete(SignIn).where(col(SignIn.token_digest) == token_digest))


def forget_expired(session: Session, now: int) -> None:
    """Drop what can no longer be used."""
    for table in (UsedNonce, SignIn):
        session.exec(delete(table).where(col(table.expires_at) < now))
