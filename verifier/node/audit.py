"""An audit as its events tell it: what was drawn, committed, disclosed, revealed, decided, and which phase it is in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any

from eth_typing import ChecksumAddress

from chain.contribution import Batch
from chain.events import Event


class Phase(IntEnum):
    """`IAuditCourt.Phase`."""

    NONE = 0
    RECORDED = 1
    COMMIT = 2
    DISCLOSE = 3
    REVEAL = 4
    TALLY = 5
    DECIDED = 6
    SETTLED = 7


class BatchOutcome(IntEnum):
    """`IAuditCourt.Outcome`."""

    NONE = 0
    UNSAMPLED = 1
    PASS = 2
    GREY = 3
    UNAVAILABLE = 4
    FRAUD = 5
    REFUNDED = 6
    CANARY = 7


class Fault(IntEnum):
    """`IAuditCourt.Fault`."""

    ABSENT = 0
    OUTLIER = 1
    WITHHELD = 2
    OVERTURNED = 3


@dataclass(frozen=True)
class Timetable:
    """Lengths in seconds of the phases of a job's audits; `disclose` is None where nothing is disclosed (SHARED)."""

    commit: int
    disclose: int | None
    reveal: int


@dataclass(frozen=True)
class Disclosure:
    """What the contributor disclosed: digests (samples x words) and the SHA-256 of the block with the openings."""

    digests: tuple[int, ...]
    openings_hash: bytes


@dataclass(frozen=True)
class Reveal:
    """What one verifier revealed; see `IAuditCourt.Reveal`."""

    digests: tuple[int, ...]
    verdicts: tuple[int, ...]
    opened: int
    payload: bytes

    def as_tuple(self) -> tuple[tuple[int, ...], tuple[int, ...], int, bytes]:
        """Positional arguments for the ABI's `Reveal` struct."""
        return self.digests, self.verdicts, self.opened, self.payload


NOT_REVEALED = Reveal((), (), 0, bytes(32))


@dataclass(frozen=True)
class Round:
    """One committee's work. `phase` began by the last act that began one, and ends by itself at `deadline`."""

    number: int
    seed: bytes
    sample_seed: bytes
    committee: tuple[ChecksumAddress, ...]
    deadline: int
    phase: Phase = Phase.COMMIT
    commitments: Mapping[ChecksumAddress, bytes] = field(default_factory=dict)
    disclosure: Disclosure | None = None
    reveals: Mapping[ChecksumAddress, Reveal] = field(default_factory=dict)

    def phase_at(self, time: int, timetable: Timetable) -> tuple[Phase, int]:
        """The phase at a block's timestamp and when it ends by itself (0 if it does not), as the court has them.

        A call made in a deadline's second is late.
        """
        phase, deadline = self.phase, self.deadline
        while phase in (Phase.COMMIT, Phase.DISCLOSE, Phase.REVEAL) and time >= deadline:
            if phase is Phase.COMMIT and not self.commitments:
                phase, deadline = Phase.TALLY, 0
            elif phase is Phase.COMMIT and timetable.disclose is not None:
                phase, deadline = Phase.DISCLOSE, deadline + timetable.disclose
            elif phase is Phase.REVEAL:
                phase, deadline = Phase.TALLY, 0
            else:
                phase, deadline = Phase.REVEAL, deadline + timetable.reveal
        return phase, deadline


@dataclass(frozen=True)
class Decision:
    """A round that was decided. `agreed`: bit i is set when seat i is paid. `appeals`: those that came before it."""

    committee: tuple[ChecksumAddress, ...]
    agreed: int
    appeals: int


@dataclass(frozen=True)
class Audit:
    """One batch and how far its audit has come.

    seed_block: of a seed that is armed and waits for its draw. outcome: NONE while a committee is at work.
    penalties: accounts and the stake that each lost, in the token's smallest unit.
    """

    batch_id: bytes
    batch: Batch
    seed_block: int | None
    round: Round | None = None
    outcome: BatchOutcome = BatchOutcome.NONE
    settleable_at: int = 0
    settled_block: int | None = None
    appeals: int = 0
    decisions: tuple[Decision, ...] = ()
    penalties: tuple[tuple[ChecksumAddress, int], ...] = ()

    def phase_at(self, time: int, timetable: Timetable) -> tuple[Phase, int]:
        """The phase at a block's timestamp and when it ends by itself, 0 if it does not."""
        if self.settled_block is not None:
            return Phase.SETTLED, 0
        if self.seed_block is not None:
            return Phase.RECORDED, 0
        if self.outcome is not BatchOutcome.NONE or self.round is None:
            return Phase.DECIDED, 0
        return self.round.phase_at(time, timetable)


def fold(events: Iterable[Event]) -> Audit | None:
    """The audit that a batch's events, in order, amount to; None before it was recorded."""
    audit: Audit | None = None
    for event in events:
        if event.contract != "AuditCourt":
            continue
        if event.name == "Recorded":
            audit = _recorded(event.args)
        elif audit is not None:
            audit = _advanced(audit, event)
    return audit


def _recorded(args: Mapping[str, Any]) -> Audit:
    raw = args["batch"]
    batch = Batch(
        job_id=raw["jobId"],
        contributor=raw["contributor"],
        first=raw["first"],
        count=raw["count"],
        units=raw["units"],
        leaves_root=raw["leavesRoot"],
        data_hash=raw["dataHash"],
        deadline=raw["deadline"],
    )
    return Audit(args["batchId"], batch, args["seedBlock"])


def _advanced(audit: Audit, event: Event) -> Audit:
    args = event.args
    match event.name:
        case "SeedRearmed" | "NoQuorum":
            audit = replace(audit, seed_block=args["seedBlock"])
        case "Appealed":
            audit = replace(audit, seed_block=args["seedBlock"], appeals=audit.appeals + 1)
        case "Unsampled":
            outcome = BatchOutcome.UNSAMPLED
            audit = replace(audit, seed_block=None, outcome=outcome, settleable_at=args["settleableAt"])
        case "Drawn":
            audit = replace(audit, seed_block=None, outcome=BatchOutcome.NONE, round=_drawn(args))
        case "Decided":
            outcome = BatchOutcome(args["outcome"])
            audit = replace(audit, seed_block=None, outcome=outcome, settleable_at=args["settleableAt"])
            if audit.round is not None:
                seats = (1 << len(audit.round.committee)) - 1
                decision = Decision(audit.round.committee, args["agreed"] & seats, audit.appeals)
                audit = replace(audit, decisions=(*audit.decisions, decision))
        case "VerifierPenalized":
            audit = replace(audit, penalties=(*audit.penalties, (args["verifier"], args["slashed"])))
        case "CanaryRevealed":
            audit = replace(audit, outcome=BatchOutcome.CANARY)
        case "Settled":
            audit = replace(audit, settled_block=event.block_number)
        case "Committed" | "Disclosed" | "Revealed" | "PhaseBegun":
            if audit.round is not None and args["round"] == audit.round.number:
                audit = replace(audit, round=_advanced_round(audit.round, event.name, args))
    return audit


def _drawn(args: Mapping[str, Any]) -> Round:
    return Round(
        number=args["round"],
        seed=args["seed"],
        sample_seed=args["sampleSeed"],
        committee=tuple(args["committee"]),
        deadline=args["commitDeadline"],
    )


def _advanced_round(current: Round, name: str, args: Mapping[str, Any]) -> Round:
    match name:
        case "Committed":
            return replace(current, commitments={**current.commitments, args["verifier"]: args["commitment"]})
        case "Disclosed":
            return replace(current, disclosure=Disclosure(tuple(args["digests"]), args["openingsHash"]))
        case "Revealed":
            reveal = Reveal(tuple(args["digests"]), tuple(args["verdicts"]), args["opened"], args["payload"])
            return replace(current, reveals={**current.reveals, args["verifier"]: reveal})
        case _:  # PhaseBegun
            return replace(current, phase=Phase(args["phase"]), deadline=args["deadline"])
