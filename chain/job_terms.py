"""The terms of a job, as `JobEscrow.open` takes them."""

from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import Any


class Kind(IntEnum):
    """`IJobEscrow.Kind`."""

    INFERENCE = 0
    TRAINING = 1
    RETRIEVAL = 2


@dataclass(frozen=True)
class Terms:
    """`IJobEscrow.Terms`, in its field order: amounts in token units, rates in basis points, bands in bits."""

    kind: Kind
    price: int
    audit_fee: int
    slash_per_unit: int
    audit_rate_floor: int
    audit_rate_ceiling: int
    committee_size: int
    samples: int
    words: int
    tau: int
    soft: int
    hard: int
    expiry: int
    specification: bytes

    def as_tuple(self) -> tuple[Any, ...]:
        """Positional arguments for the ABI's `Terms` struct."""
        return astuple(self)
