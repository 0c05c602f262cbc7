"""Tables of queries that sources have answered, and of what was said about the answers."""

from sqlalchemy import BigInteger, LargeBinary
from sqlmodel import Field, SQLModel

from backend.database import Hash


class AnsweredQuery(SQLModel, table=True):
    """One query. `record`: its `QueryRecord`, without feedback. `digest`: by which it is asked about."""

    __tablename__ = "answered_queries"

    digest: bytes = Field(primary_key=True, sa_type=Hash)
    window: int = Field(sa_type=BigInteger, index=True)
    asker: str
    asked_at: int = Field(sa_type=BigInteger)
    record: bytes = Field(sa_type=LargeBinary)


class GivenFeedback(SQLModel, table=True):
    """An account's word on an answer. `feedback`: canonical JSON of a `Feedback`. `judge`: whether it counts."""

    __tablename__ = "given_feedback"

    query: bytes = Field(primary_key=True, sa_type=Hash)
    account: str = Field(primary_key=True, index=True)
    judge: bool
    feedback: bytes = Field(sa_type=LargeBinary)
