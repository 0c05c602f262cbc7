"""A round of a training job as the chain has it; whoever reads it there needs no model."""

from collections.abc import Sequence
from dataclasses import dataclass

from chain.contribution import Leaf


@dataclass(frozen=True)
class Adopted:
    """A batch whose payload the court has adopted; `root` is that payload."""

    batch_id: bytes
    root: bytes


@dataclass(frozen=True)
class RecordedRound:
    """A recorded batch, read as a round.

    leaves: of the manifest, checked against the batch. pot: in the token's smallest unit. seed: of the audit. adopted:
    the round before it that was paid, None for a job's first.
    """

    job_id: int
    batch_id: bytes
    leaves: Sequence[Leaf]
    pot: int
    seed: bytes
    adopted: Adopted | None
