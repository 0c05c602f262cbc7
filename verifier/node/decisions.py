"""What a verifier does next about an audit: functions of what is known, without a chain, a disk or a clock."""

from dataclasses import dataclass
from enum import Enum

from eth_typing import ChecksumAddress

from verifier.node.audit import Audit, Phase, Timetable
from verifier.node.journal import Draw

# The part of a phase that is left when a node stops waiting for evidence that does not come and says so.
_LAST_CALL = 4


class Step(Enum):
    """What there is to do. EXAMINE, COMMIT and REVEAL are a committee member's duty, WITHDRAW is for oneself."""

    DRAW = "draw"
    EXAMINE = "examine"
    COMMIT = "commit"
    REVEAL = "reveal"
    FINALIZE = "finalize"
    SETTLE = "settle"
    WITHDRAW = "withdraw"


# Steps that somebody else may take first.
SHARED_STEPS = frozenset({Step.DRAW, Step.FINALIZE, Step.SETTLE})
# Steps that a committee member pays a penalty for if it does not take them in time.
DUTIES = frozenset({Step.EXAMINE, Step.COMMIT, Step.REVEAL})


@dataclass(frozen=True)
class ChainTime:
    """Number and timestamp of the newest block."""

    block: int
    timestamp: int


def current_draw(audit: Audit) -> Draw | None:
    """The drawing that the audit's committee came from."""
    return None if audit.round is None else Draw(audit.batch_id, audit.round.number, audit.round.seed)


def next_step(
    audit: Audit, verifier: ChecksumAddress, journaled: bool, now: ChainTime, timetable: Timetable
) -> Step | None:
    """The step that `verifier` can take now, if any.

    journaled: its journal holds a commitment for the current draw.
    """
    phase, _ = audit.phase_at(now.timestamp, timetable)
    if phase is Phase.RECORDED:
        # The call is checked against the newest block before it is sent, so that must be later than the seed's.
        return Step.DRAW if audit.seed_block is not None and now.block > audit.seed_block else None
    if phase is Phase.DECIDED:
        return Step.SETTLE if now.timestamp >= audit.settleable_at else None
    if phase is Phase.SETTLED or audit.round is None:
        return None
    committed, revealed = verifier in audit.round.commitments, verifier in audit.round.reveals
    if phase is Phase.COMMIT and verifier in audit.round.committee and not committed:
        return Step.COMMIT if journaled else Step.EXAMINE
    if phase is Phase.REVEAL and committed and not revealed and journaled:
        return Step.REVEAL
    return Step.FINALIZE if phase is Phase.TALLY else None


def is_last_call(audit: Audit, now: ChainTime, timetable: Timetable) -> bool:
    """Whether a quarter of the commit or the reveal phase, or less, is left: too late to wait for evidence."""
    phase, deadline = audit.phase_at(now.timestamp, timetable)
    length = {Phase.COMMIT: timetable.commit, Phase.REVEAL: timetable.reveal}.get(phase)
    return length is not None and deadline - now.timestamp <= length // _LAST_CALL
