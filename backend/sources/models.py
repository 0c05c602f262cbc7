"""Tables of queries that sources have answered, of what was said about the answers, and of where windows stand."""

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


class WindowPosition(SQLModel, table=True):
    """Where a job's windows stand, as the leading process tells the others.

    `window`: that new queries belong to. `state`: the `WindowState` that the registry adopted last.
    """

    __tablename__ = "window_positions"

    job_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    window: int = Field(sa_type=BigInteger)
    state: bytes = Field(sa_type=LargeBinary)


class FalseAnswer(SQLModel, table=True):
    """An answer by which its source can be slashed, until it has been.

    `answer`: canonical JSON of an `Answer`. `which`: place of the passage that its source has not committed to.
    """

    __tablename__ = "false_answers"

    query: bytes = Field(primary_key=True, sa_type=Hash)
    source: int = Field(primary_key=True, sa_type=BigInteger)
    which: int
    answer: bytes = Field(sa_type=LargeBinary)
