"""Whose turn it is, and how often something is tried."""

from eth_utils.address import to_checksum_address

from verifier.node.decisions import Step
from verifier.node.schedule import Schedule

BATCH = b"\x01" * 32


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def _schedule(clock: Clock, byte: str = "aa", patience: float = 10.0) -> Schedule:
    return Schedule(to_checksum_address("0x" + byte * 20), patience, 1.0, clock)


def _wait(schedule: Schedule, clock: Clock, step: Step) -> float:
    """Time until a step is due, to a tenth of a second."""
    start = clock.time
    while not schedule.is_due(BATCH, 0, step):
        clock.time += 0.1
    return clock.time - start


def test_is_due__own_duty__at_once() -> None:
    assert _schedule(Clock()).is_due(BATCH, 0, Step.COMMIT)
    assert _schedule(Clock()).is_due(BATCH, 0, Step.REVEAL)


def test_is_due__anyones_step__each_node_at_its_own_time_within_its_patience() -> None:
    waits = []
    for number in range(20):
        clock = Clock()
        waits.append(_wait(_schedule(clock, f"{number + 16:x}"), clock, Step.FINALIZE))
    assert max(waits) <= 10.2
    assert len({round(wait, 1) for wait in waits}) > 10


def test_tried__fails_again_and_again__pauses_double_up_to_eight() -> None:
    clock = Clock()
    schedule = _schedule(clock)
    pauses = []
    for _ in range(6):
        pauses.append(round(_wait(schedule, clock, Step.COMMIT)))
        schedule.tried(BATCH)
    assert pauses == [0, 1, 2, 4, 8, 8]


def test_is_due__next_round__starts_anew() -> None:
    clock = Clock()
    schedule = _schedule(clock)
    schedule.is_due(BATCH, 0, Step.COMMIT)
    schedule.tried(BATCH)
    assert not schedule.is_due(BATCH, 0, Step.COMMIT)
    assert schedule.is_due(BATCH, 1, Step.COMMIT)
