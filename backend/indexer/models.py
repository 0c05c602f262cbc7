"""Tables that mirror the chain. Everything here is rebuilt from the event log alone."""

from typing import Any

from eth_typing import ChecksumAddress, HexAddress, HexStr
from sqlalchemy import JSON, BigInteger, ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from backend.database import Hash, Wei
from chain.contribution import Batch


class IndexedBlock(SQLModel, table=True):
    """A block up to which the log has been read, or that holds events; its hash tells whether it is still there."""

    __tablename__ = "indexed_blocks"

    number: int = Field(primary_key=True, sa_type=BigInteger)
    hash: bytes = Field(sa_type=Hash)


class ChainEvent(SQLModel, table=True):
    """One event; `args` as JSON: bytes as 0x-hex, integers beyond 2^53 as decimal digits."""

    __tablename__ = "chain_events"
    __table_args__ = (
        UniqueConstraint("transaction_hash", "log_index"),
        Index("chain_events_by_name", "name", "block_number"),
    )

    block_number: int = Field(primary_key=True, sa_type=BigInteger)
    log_index: int = Field(primary_key=True)
    block_hash: bytes = Field(sa_type=Hash)
    transaction_hash: bytes = Field(sa_type=Hash)
    contract: str
    name: str
    args: dict[str, Any] = Field(sa_type=JSON)


class EventSubject(SQLModel, table=True):
    """What an event is about: a batch (0x-hex id), a job (decimal number) or an account (address)."""

    __tablename__ = "event_subjects"
    __table_args__ = (
        ForeignKeyConstraint(
            ["block_number", "log_index"], ["chain_events.block_number", "chain_events.log_index"], ondelete="CASCADE"
        ),
        Index("event_subjects_by_block", "block_number"),
    )

    subject: str = Field(primary_key=True)
    block_number: int = Field(primary_key=True, sa_type=BigInteger)
    log_index: int = Field(primary_key=True)


class Job(SQLModel, table=True):
    """A job, folded from its events."""

    __tablename__ = "jobs"

    id: int = Field(primary_key=True, sa_type=BigInteger)
    owner: str = Field(index=True)
    terms: dict[str, Any] = Field(sa_type=JSON)
    opened_block: int = Field(sa_type=BigInteger)
    closed: bool = False


class RecordedBatch(SQLModel, table=True):
    """A batch on the chain and how far its audit has come, folded from its events.

    `phase` is the last one that began by an act; one that began because a deadline passed leaves no event.
    """

    __tablename__ = "recorded_batches"
    __table_args__ = (
        Index("recorded_batches_by_contributor", "job_id", "contributor", "first"),
        Index("recorded_batches_in_order", "recorded_block", "log_index"),
        Index("recorded_batches_by_phase", "phase"),
    )

    id: bytes = Field(primary_key=True, sa_type=Hash)
    job_id: int = Field(sa_type=BigInteger)
    contributor: str
    requester: str
    first: int = Field(sa_type=BigInteger)
    count: int
    units: int = Field(sa_type=BigInteger)
    leaves_root: bytes = Field(sa_type=Hash)
    data_hash: bytes = Field(sa_type=Hash)
    deadline: int = Field(sa_type=BigInteger)
    recorded_block: int = Field(sa_type=BigInteger)
    log_index: int
    phase: str
    outcome: str | None = None
    round: int = 0
    seed_block: int = Field(sa_type=BigInteger)
    phase_deadline: int | None = Field(default=None, sa_type=BigInteger)
    paid: int | None = Field(default=None, sa_type=Wei)
    slashed: int | None = Field(default=None, sa_type=Wei)

    @property
    def batch(self) -> Batch:
        """As the contracts know it."""
        return Batch(
            job_id=self.job_id,
            contributor=ChecksumAddress(HexAddress(HexStr(self.contributor))),
            first=self.first,
            count=self.count,
            units=self.units,
            leaves_root=self.leaves_root,
            data_hash=self.data_hash,
            deadline=self.deadline,
        )
