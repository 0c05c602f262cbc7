"""Tables of what was proven about callers: used nonces, and people who are signed in."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from backend.database import Hash


class UsedNonce(SQLModel, table=True):
    """A nonce that an account has signed; kept until nothing that it signed with it is good any more."""

    __tablename__ = "used_nonces"

    account: str = Field(primary_key=True)
    nonce: bytes = Field(primary_key=True, sa_type=Hash)
    expires_at: int = Field(sa_type=BigInteger, index=True)


class SignIn(SQLModel, table=True):
    """A person who is signed in; the token itself is with that person alone."""

    __tablename__ = "sign_ins"

    token_digest: bytes = Field(primary_key=True, sa_type=Hash)
    account: str
    expires_at: int = Field(sa_type=BigInteger, index=True)
