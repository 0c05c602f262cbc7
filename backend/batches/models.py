"""Table of the batches that the recorder has closed and brings to the chain."""

from eth_typing import ChecksumAddress, HexAddress, HexStr
from sqlalchemy import BigInteger, Index, LargeBinary
from sqlmodel import Field, SQLModel

from backend.database import Hash
from chain.contribution import Batch


class OutgoingBatch(SQLModel, table=True):
    """A closed batch with its contributor's signature.

    `recorded_block` follows the chain: the indexer sets it, and clears it when the block is reorganised away. A batch
    that can no longer be recorded has a `refusal`, a sentence that says why.
    """

    __tablename__ = "outgoing_batches"
    __table_args__ = (Index("outgoing_batches_by_contributor", "job_id", "contributor", "first"),)

    id: bytes = Field(primary_key=True, sa_type=Hash)
    job_id: int = Field(sa_type=BigInteger)
    contributor: str
    first: int = Field(sa_type=BigInteger)
    count: int
    units: int = Field(sa_type=BigInteger)
    leaves_root: bytes = Field(sa_type=Hash)
    data_hash: bytes = Field(sa_type=Hash)
    deadline: int = Field(sa_type=BigInteger)
    signature: bytes = Field(sa_type=LargeBinary)
    closed_at: int = Field(sa_type=BigInteger)
    recorded_block: int | None = Field(default=None, sa_type=BigInteger, index=True)
    refusal: str | None = None

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
