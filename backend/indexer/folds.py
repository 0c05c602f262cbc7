"""From events to tables: pure functions of all events about one subject, in chain order.

A row is always folded anew from all its events, so what a table holds depends on the chain alone, and not on when the
indexer was started, stopped, or surprised by a reorganisation.
"""

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row

from backend.batches.phases import OUTCOMES, PHASES
from backend.indexer.models import ChainEvent, Job, RecordedBatch
from chain.events import Event

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_NOBODY = "0x" + "0" * 40
_EXACT_IN_JSON = 2**53


def to_row(event: Event) -> ChainEvent:
    """The table's row of an event."""
    return ChainEvent(
        block_number=event.block_number,
        log_index=event.log_index,
        block_hash=event.block_hash,
        transaction_hash=event.transaction_hash,
        contract=event.contract,
        name=event.name,
        args=as_json(event.args),
    )


def as_json(value: Any) -> Any:
    """Arguments in JSON: bytes as 0x-hex, integers that JavaScript would round as decimal digits."""
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT_IN_JSON:
        return str(value)
    return value


def subjects_of(event: ChainEvent) -> set[str]:
    """The batches, jobs and accounts that an event is about; see `EventSubject`."""
    found: set[str] = set()
    for name, value in (event.args | event.args.get("batch", {})).items():
        if name == "batchId":
            found.add(value)
        elif name == "jobId":
            found.add(str(value))
        else:
            items = value if isinstance(value, list) else [value]
            found |= {item for item in items if isinstance(item, str) and _ADDRESS.fullmatch(item)}
    return found - {_NOBODY}


def fold_job(events: Iterable[ChainEvent]) -> Job | None:
    """The job that these events are about; None where it was never opened."""
    job: Job | None = None
    for event in events:
        if event.name == "JobOpened":
            args = event.args
            job = Job(id=int(args["jobId"]), owner=args["owner"], terms=args["terms"], opened_block=event.block_number)
        elif event.name == "JobClosed" and job is not None:
            job.closed = True
    return job


def fold_batch(events: Iterable[ChainEvent | Row[Any]]) -> RecordedBatch | None:
    """The batch that these events are about; None where it was never recorded."""
    batch: RecordedBatch | None = None
    for event in events:
        if event.name == "Recorded":
            batch = _recorded(event)
        elif batch is not None:
            _advance(batch, event.name, event.args)
    return batch


def _recorded(event: ChainEvent | Row[Any]) -> RecordedBatch:
    args, batch = event.args, event.args["batch"]
    return RecordedBatch(
        id=bytes.fromhex(args["batchId"][2:]),
        job_id=int(batch["jobId"]),
        contributor=batch["contributor"],
        requester=args["requester"],
        first=int(batch["first"]),
        count=batch["count"],
        units=int(batch["units"]),
        leaves_root=bytes.fromhex(batch["leavesRoot"][2:]),
        data_hash=bytes.fromhex(batch["dataHash"][2:]),
        deadline=batch["deadline"],
        recorded_block=event.block_number,
        log_index=event.log_index,
        phase="recorded",
        seed_block=int(args["seedBlock"]),
    )


def _advance(batch: RecordedBatch, name: str, args: dict[str, Any]) -> None:
    match name:
        case "SeedRearmed" | "NoQuorum" | "Appealed":
            batch.phase, batch.seed_block, batch.phase_deadline = "recorded", int(args["seedBlock"]), None
        case "Unsampled":
            batch.phase, batch.outcome, batch.phase_deadline = "decided", "unsampled", args["settleableAt"]
        case "Drawn":
            batch.phase, batch.round, batch.phase_deadline = "commit", args["round"], args["commitDeadline"]
        case "PhaseBegun":
            batch.phase, batch.phase_deadline = PHASES[args["phase"]], args["deadline"] or None
        case "Decided":
            batch.phase, batch.outcome = "decided", OUTCOMES[args["outcome"]]
            batch.phase_deadline = args["settleableAt"]
        case "CanaryRevealed":
            batch.outcome = "canary"
        case "Settled":
            batch.phase, batch.outcome, batch.phase_deadline = "settled", OUTCOMES[args["outcome"]], None
            batch.paid, batch.slashed = int(args["paid"]), int(args["slashed"])
