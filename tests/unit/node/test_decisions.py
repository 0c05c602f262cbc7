"""What a verifier does next, phase by phase and second by second."""

from dataclasses import replace

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from chain.contribution import Batch
from verifier.node.audit import Audit, BatchOutcome, Phase, Reveal, Round, Timetable
from verifier.node.decisions import ChainTime, Step, is_last_call, next_step

ME, OTHER, STRANGER = (to_checksum_address("0x" + byte * 20) for byte in ("aa", "bb", "cc"))
BATCH = Batch(1, STRANGER, 0, 1, 1, bytes(32), bytes(32), 0)
TIMETABLE = Timetable(commit=100, disclose=50, reveal=40)
SHARED_TIMETABLE = Timetable(commit=100, disclose=None, reveal=40)
START = 1_000
REVEAL = Reveal((1,), (1,), 0, bytes(32))

DRAWN = Audit(
    bytes(32),
    BATCH,
    None,
    Round(0, b"seed", b"seed", (ME, OTHER), deadline=START + 100),
)


def _with(commitments: int = 0, **changes: object) -> Audit:
    assert DRAWN.round is not None
    members = dict.fromkeys((ME, OTHER)[:commitments], b"commitment")
    return replace(DRAWN, round=replace(DRAWN.round, commitments=members, **changes))  # type: ignore[arg-type]


def _step(audit: Audit, time: int, *, journaled: bool = False, block: int = 50) -> Step | None:
    return next_step(audit, ME, journaled, ChainTime(block, time), TIMETABLE)


@pytest.mark.parametrize(("block", "expected"), [(50, None), (51, Step.DRAW)])
def test_next_step__seed_armed__draw_from_the_next_block_on(block: int, expected: Step | None) -> None:
    assert _step(replace(DRAWN, seed_block=50), START, block=block) is expected


@pytest.mark.parametrize(
    ("time", "expected"), [(START, Step.EXAMINE), (START + 99, Step.EXAMINE), (START + 100, Step.FINALIZE)]
)
def test_next_step__drawn__examine_until_the_deadline(time: int, expected: Step) -> None:
    assert _step(DRAWN, time) is expected


def test_next_step__journaled_and_not_on_the_chain__commit_what_is_journaled() -> None:
    assert _step(DRAWN, START, journaled=True) is Step.COMMIT


def test_next_step__not_in_the_committee__nothing() -> None:
    assert next_step(DRAWN, STRANGER, False, ChainTime(50, START), TIMETABLE) is None


def test_next_step__committed__waits_for_the_disclosure() -> None:
    assert _step(_with(1), START, journaled=True) is None
    assert _step(_with(1), START + 149, journaled=True) is None


@pytest.mark.parametrize(
    ("time", "expected"), [(START + 150, Step.REVEAL), (START + 189, Step.REVEAL), (START + 190, Step.FINALIZE)]
)
def test_next_step__nobody_disclosed__reveal_from_the_disclosures_deadline_on(time: int, expected: Step) -> None:
    assert _step(_with(1), time, journaled=True) is expected


def test_next_step__disclosed_early__reveal_at_once() -> None:
    audit = _with(2, phase=Phase.REVEAL, deadline=START + 20)
    assert _step(audit, START + 10, journaled=True) is Step.REVEAL


def test_next_step__commitment_without_journal__is_not_revealed_and_not_replaced() -> None:
    audit = _with(2, phase=Phase.REVEAL, deadline=START + 20)
    assert _step(audit, START + 10, journaled=False) is None


def test_next_step__revealed__nothing_until_the_tally() -> None:
    audit = _with(2, phase=Phase.REVEAL, deadline=START + 20, reveals={ME: REVEAL})
    assert _step(audit, START + 19, journaled=True) is None
    assert _step(audit, START + 20, journaled=True) is Step.FINALIZE


@pytest.mark.parametrize(("time", "expected"), [(START + 4, None), (START + 5, Step.SETTLE)])
def test_next_step__decided__settle_after_the_appeal_window(time: int, expected: Step | None) -> None:
    assert _step(replace(DRAWN, outcome=BatchOutcome.PASS, settleable_at=START + 5), time) is expected


def test_next_step__settled__nothing() -> None:
    assert _step(replace(DRAWN, outcome=BatchOutcome.PASS, settled_block=60), START + 1_000) is None


def test_next_step__shared_job__reveals_follow_commitments() -> None:
    step = next_step(_with(1), ME, True, ChainTime(50, START + 100), SHARED_TIMETABLE)
    assert step is Step.REVEAL


@given(
    commitments=st.integers(0, 2),
    times=st.lists(st.integers(START, START + 400), min_size=2, max_size=2).map(sorted),
    timetable=st.sampled_from([TIMETABLE, SHARED_TIMETABLE]),
)
def test_phase_at__time_passes__phases_never_go_back_and_end_in_a_tally(
    commitments: int, times: list[int], timetable: Timetable
) -> None:
    audit = _with(commitments)
    earlier, later = (audit.phase_at(time, timetable)[0] for time in times)
    assert earlier <= later
    assert audit.phase_at(START + 400, timetable)[0] is Phase.TALLY


@pytest.mark.parametrize(("left", "expected"), [(26, False), (25, True), (1, True)])
def test_is_last_call__commit_phase__in_its_last_quarter(left: int, expected: bool) -> None:
    assert is_last_call(DRAWN, ChainTime(50, START + 100 - left), TIMETABLE) is expected


@pytest.mark.parametrize(("left", "expected"), [(11, False), (10, True)])
def test_is_last_call__reveal_phase__in_its_last_quarter(left: int, expected: bool) -> None:
    assert is_last_call(_with(1), ChainTime(50, START + 190 - left), TIMETABLE) is expected
