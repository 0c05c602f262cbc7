"""A contribution's way so far, told from what is stored here and what the chain says about its batch."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row
from sqlmodel import Session

from backend.batches import repository as batches
from backend.batches.phases import OUTCOMES
from backend.contributions import repository
from backend.contributions.models import Contribution
from backend.contributions.schemas import Reason, Receipt, Status, Step, Why
from backend.indexer import repository as index
from backend.indexer.models import Job
from chain.sampling import sampled_positions

_TOLD = {
    "Recorded": "recorded",
    "Unsampled": "not audited",
    "Drawn": "committee drawn",
    "Committed": "verifier committed",
    "Disclosed": "contributor disclosed",
    "Revealed": "verifier revealed",
    "NoQuorum": "no quorum",
    "Decided": "decided",
    "Appealed": "appealed",
    "CanaryRevealed": "canary revealed",
    "Settled": "settled",
}
_DETAILS = ("round", "committee", "verifier", "bond", "settleableAt", "paid", "slashed")
_VERDICTS = {
    "unsampled": "The seed did not ask for an audit; the work is paid as it is.",
    "pass": "The committee agreed with the contributor.",
    "grey": "The contributor's digest is neither close enough to be paid nor far enough to be slashed.",
    "unavailable": "The committee could not get the evidence, so nobody is paid or slashed.",
    "fraud": "The committee found work that is not what was asked for.",
    "refunded": "No committee could agree, so the batch is refunded.",
    "canary": "The batch was a test of the committee.",
}


def status_of(connection: Connection, row: Row[Any]) -> Status:
    """A contribution as `repository.find` gives it, with everything that happened to it."""
    timeline = [Step(what="accepted", time=row.received_at)]
    if row.closed_at is not None:
        timeline.append(Step(what="batch closed", time=row.closed_at, details={"leaves": row.closed_leaves}))
    if row.recorded_block is not None:
        timeline += [_step(event) for event in index.batch_events(connection, row.batch_id) if event.name in _TOLD]
    return Status(
        id=row.id,
        job_id=row.job_id,
        contributor=row.contributor,
        sequence=row.sequence,
        units=row.units,
        trace_root=row.trace_root,
        evidence=row.evidence,
        receipt=receipt_of(row),
        status=_status(connection, row),
        outcome=row.outcome,
        batch_id=row.batch_id,
        timeline=timeline,
    )


def receipt_of(row: Contribution | Row[Any]) -> Receipt:
    """The receipt that was given for a contribution."""
    return Receipt(id=row.id, sequence=row.sequence, received_at=row.received_at, signature=row.receipt)


def why(session: Session, row: Row[Any]) -> Why:
    """Stage by stage, what has been done and what has not, and for what reason; `row` as `repository.find` gives it."""
    stages = [_batched(session, row), _recorded(row)]
    if row.recorded_block is not None:
        events = index.batch_events(session.connection(), row.batch_id)
        job = session.get(Job, row.job_id)
        samples = int(job.terms["samples"]) if job else 0
        stages += _audit_stages(events, row, samples)
        stages += _decision_stages(row)
    return Why(id=row.id, stages=stages)


def _status(connection: Connection, row: Row[Any]) -> str:
    if row.recorded_block is not None:
        return str(row.phase)
    if row.batch_id is not None:
        return "closed"
    if row.sequence < repository.next_first(connection, row.job_id, row.contributor):
        return "superseded"
    return "accepted"


def _step(event: Row[Any]) -> Step:
    details = {name: event.args[name] for name in _DETAILS if name in event.args}
    if "outcome" in event.args:
        details["outcome"] = OUTCOMES[event.args["outcome"]]
    return Step(what=_TOLD[event.name], block=event.block_number, transaction=event.transaction_hash, details=details)


def _batched(session: Session, row: Row[Any]) -> Reason:
    if row.batch_id is not None:
        return Reason(stage="batched", done=True, sentence="It is in a closed batch.")
    if _status(session.connection(), row) == "superseded":
        return Reason(
            stage="batched",
            done=False,
            sentence="Its contributor recorded another leaf under the same number; it will never be paid.",
        )
    refused = batches.refused_over(session, row.job_id, row.contributor, row.sequence)
    if refused is not None and repository.open_batch(session, row.job_id, row.contributor) is None:
        return Reason(
            stage="batched",
            done=False,
            sentence=f"Its batch was refused ({refused.refusal}) Sign the open leaves again.",
        )
    return Reason(stage="batched", done=None, sentence="It waits until its batch is full or old enough.")


def _recorded(row: Row[Any]) -> Reason:
    if row.recorded_block is None:
        return Reason(stage="recorded", done=None, sentence="Its batch is not on the chain yet.")
    return Reason(stage="recorded", done=True, sentence=f"Its batch is on the chain since block {row.recorded_block}.")


def _audit_stages(events: Sequence[Row[Any]], row: Row[Any], samples: int) -> list[Reason]:
    drawn = [event for event in events if event.name == "Drawn"]
    if any(event.name == "Unsampled" for event in events):
        return [Reason(stage="sampled", done=False, sentence="The seed did not choose its batch for an audit.")]
    if not drawn:
        return [Reason(stage="sampled", done=None, sentence=f"The seed of block {row.seed_block} is not drawn yet.")]
    last = drawn[-1]
    committee, number = last.args["committee"], last.args["round"]
    position = row.sequence - row.batch_first
    chosen = sampled_positions(bytes.fromhex(last.args["sampleSeed"][2:]), row.batch_count, samples)
    in_round = [event.name for event in events if event.args.get("round") == number]
    committed, revealed = in_round.count("Committed"), in_round.count("Revealed")
    over = row.phase in ("decided", "settled")
    sampled = (
        "It is one of the leaves that the committee runs again."
        if position in chosen
        else f"Its batch is audited by {len(chosen)} other leaves; what is found there holds for it too."
    )
    return [
        Reason(stage="sampled", done=position in chosen, sentence=sampled),
        Reason(
            stage="committed",
            done=True if committed == len(committee) else (False if over else None),
            sentence=f"{committed} of {len(committee)} verifiers committed.",
        ),
        Reason(
            stage="disclosed",
            done=True if "Disclosed" in in_round else (False if over else None),
            sentence="The contributor disclosed its digests."
            if "Disclosed" in in_round
            else "The contributor has not disclosed its digests.",
        ),
        Reason(
            stage="revealed",
            done=True if revealed and revealed == committed else (False if over else None),
            sentence=f"{revealed} of {committed} verifiers who committed have revealed.",
        ),
    ]


def _decision_stages(row: Row[Any]) -> list[Reason]:
    if row.outcome is None or row.phase not in ("decided", "settled"):
        return [Reason(stage="agreed", done=None, sentence="There is no decision yet.")]
    good = row.outcome in ("pass", "unsampled")
    agreed = Reason(stage="agreed", done=good, sentence=_VERDICTS[row.outcome])
    if row.phase == "decided":
        wait = f"It is settled after second {row.phase_deadline}, unless there is an appeal."
        return [agreed, Reason(stage="paid", done=None, sentence=wait)]
    paid = f"Its batch was paid {row.paid}." if good else f"Nothing was paid; {row.slashed} was slashed."
    return [agreed, Reason(stage="paid", done=bool(row.paid), sentence=paid)]
