"""Table of evidence that somebody wants kept."""

from sqlalchemy import BigInteger
from sqlmodel import Field, SQLModel

from backend.database import Hash


class Pin(SQLModel, table=True):
    """Evidence, by its SHA-256 digest, that is not removed while the account wants it."""

    __tablename__ = "evidence_pins"

    digest: bytes = Field(primary_key=True, sa_type=Hash)
    account: str = Field(primary_key=True)
    pinned_at: int = Field(sa_type=BigInteger)
