"""Tables of what contributors handed in and the recorder has yet to bring to the chain."""

from eth_typing import ChecksumAddress, HexAddress, HexStr
from sqlalchemy import BigInteger, LargeBinary, UniqueConstraint
from sqlmodel import Field, SQLModel

from backend.database import Hash
from chain.contribution import Leaf


class Contribution(SQLModel, table=True):
    """One leaf that was accepted, and the receipt that was given for it.

    `batch_id` is set while the leaf is in a batch that is closed and not refused. A leaf without one is open if its
    number is not used on the chain yet; otherwise its contributor recorded another leaf under that number without us.
    """

    __tablename__ = "contributions"
    __table_args__ = (UniqueConstraint("job_id", "contributor", "sequence"),)

    id: bytes = Field(primary_key=True, sa_type=Hash)
    job_id: int = Field(sa_type=BigInteger)
    contributor: str
    sequence: int = Field(sa_type=BigInteger)
    units: int = Field(sa_type=BigInteger)
    trace_root: bytes = Field(sa_type=Hash)
    evidence: bytes = Field(sa_type=Hash)
    received_at: int = Field(sa_type=BigInteger)
    receipt: bytes = Field(sa_type=LargeBinary)
    batch_id: bytes | None = Field(default=None, sa_type=Hash, index=True)

    @property
    def leaf(self) -> Leaf:
        """As the chain package knows it."""
        return Leaf(
            job_id=self.job_id,
            contributor=ChecksumAddress(HexAddress(HexStr(self.contributor))),
            sequence=self.sequence,
            units=self.units,
            trace_root=self.trace_root,
            evidence=self.evidence,
        )


class OpenBatch(SQLModel, table=True):
    """The contributor's latest signature over all its leaves `[first, first + count)` that no closed batch holds."""

    __tablename__ = "open_batches"

    job_id: int = Field(primary_key=True, sa_type=BigInteger)
    contributor: str = Field(primary_key=True)
    first: int = Field(sa_type=BigInteger)
    count: int
    deadline: int = Field(sa_type=BigInteger)
    signature: bytes = Field(sa_type=LargeBinary)
    opened_at: int = Field(sa_type=BigInteger, index=True)
