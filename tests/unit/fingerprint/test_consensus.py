"""The committee's rule: vectors shared with the contract, hand-made cases, and invariants."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.fingerprint.consensus import (
    Bands,
    LeafReveal,
    Outcome,
    Verdict,
    batch_outcome,
    leaf_outcome,
    medoid_seat,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "fingerprint_consensus.json").read_text())
BANDS = Bands(tau=4, soft=6, hard=9)


def says(digest: int, verdict: Verdict = Verdict.CONSISTENT, opened: bool = True, payload: int = 0) -> LeafReveal:
    return LeafReveal(verdict, opened, payload.to_bytes(32, "big"), (digest,))


def ones(count: int) -> int:
    return (1 << count) - 1


@pytest.mark.parametrize("vector", VECTORS)
def test_rule__shared_vectors__same_seat_cluster_and_outcome(vector: dict[str, Any]) -> None:
    reveals = [
        None
        if member is None
        else LeafReveal(
            Verdict(member["verdict"]),
            member["opened"],
            bytes.fromhex(member["payload"]),
            tuple(int(word, 16) for word in member["digest"]),
        )
        for member in vector["committee"]
    ]
    bands = Bands(vector["tau"], vector["soft"], vector["hard"])
    found = medoid_seat(reveals, bands.tau)
    assert (None if found is None else found[0]) == vector["medoid"]
    assert (sorted(found[1]) if found else []) == vector["cluster"]
    disclosed = tuple(int(word, 16) for word in vector["disclosed"])
    assert leaf_outcome(reveals, disclosed, bands) is Outcome[vector["outcome"]]


def test_vectors__cover_every_outcome() -> None:
    assert {vector["outcome"] for vector in VECTORS} == {outcome.name for outcome in Outcome}


@pytest.mark.parametrize(
    ("distance", "expected"), [(0, "PASS"), (6, "PASS"), (7, "GREY"), (9, "GREY"), (10, "FRAUD"), (256, "FRAUD")]
)
def test_leaf__contributor_at_a_distance__band(distance: int, expected: str) -> None:
    assert leaf_outcome([says(0)] * 3, (ones(distance),), BANDS) is Outcome[expected]


@pytest.mark.parametrize(
    ("revealed", "size", "quorum"), [(2, 3, True), (3, 5, False), (4, 5, True), (7, 11, False), (8, 11, True)]
)
def test_leaf__two_thirds_of_the_committee__not_of_those_that_revealed(revealed: int, size: int, quorum: bool) -> None:
    reveals: list[LeafReveal | None] = [says(0)] * revealed + [None] * (size - revealed)
    assert (leaf_outcome(reveals, (0,), BANDS) is Outcome.PASS) == quorum


def test_leaf__nobody_revealed__no_quorum() -> None:
    assert leaf_outcome([None, None, None], (0,), BANDS) is Outcome.NO_QUORUM
    assert leaf_outcome([], (0,), BANDS) is Outcome.NO_QUORUM


@pytest.mark.parametrize(
    ("reveal", "expected"),
    [
        (says(0, Verdict.UNAVAILABLE, opened=False), "UNAVAILABLE"),
        (says(0, Verdict.INCONSISTENT), "FRAUD"),
        (says(0, opened=False), "FRAUD"),
    ],
)
def test_leaf__agreed_verdict_or_failed_opening__decides(reveal: LeafReveal, expected: str) -> None:
    assert leaf_outcome([reveal] * 3, (0,), BANDS) is Outcome[expected]


@pytest.mark.parametrize(
    "other", [says(0, Verdict.INCONSISTENT), says(0, opened=False), says(0, payload=1), says(ones(5))]
)
def test_cluster__differing_in_one_thing__apart(other: LeafReveal) -> None:
    assert medoid_seat([says(0), other], BANDS.tau) == (0, frozenset({0}))


def test_medoid__ties__smallest_sum_then_lowest_seat() -> None:
    # All three are within tau of each other; the middle one is closest to the others.
    assert medoid_seat([says(ones(4)), says(0), says(ones(2))], 4) == (2, frozenset({0, 1, 2}))
    assert medoid_seat([None, says(1), says(1)], 4) == (1, frozenset({1, 2}))


def test_random_digests__minority__cannot_move_the_medoid() -> None:
    reveals = [says(ones(200) << 3), says(0), says(1), says(3), says(0)]
    assert medoid_seat(reveals, 4) == (1, frozenset({1, 2, 3, 4}))


@pytest.mark.parametrize(("tau", "soft", "hard"), [(-1, 1, 2), (0, -1, 2), (0, 2, 2), (0, 3, 2)])
def test_bands__out_of_order__refused(tau: int, soft: int, hard: int) -> None:
    with pytest.raises(ValueError, match="bands need"):
        Bands(tau, soft, hard)


def test_batch__worst_leaf__decides() -> None:
    order = [Outcome.PASS, Outcome.GREY, Outcome.UNAVAILABLE, Outcome.NO_QUORUM, Outcome.FRAUD]
    for leaves in itertools.product(order, repeat=3):
        assert batch_outcome(leaves) is order[max(map(order.index, leaves))]
    with pytest.raises(ValueError, match="at least one"):
        batch_outcome([])


reveal_strategy = st.one_of(
    st.none(),
    st.builds(
        says, st.integers(0, 255), st.sampled_from(Verdict), st.booleans(), st.integers(0, 1)
    ),
)  # fmt: skip


@given(reveals=st.lists(reveal_strategy, max_size=7), tau=st.integers(0, 8))
def test_medoid__any_reveals__largest_cluster_of_agreeing_members(reveals: list[LeafReveal | None], tau: int) -> None:
    found = medoid_seat(reveals, tau)
    revealed = {seat: reveal for seat, reveal in enumerate(reveals) if reveal is not None}
    if not revealed:
        assert found is None
        return
    assert found is not None
    seat, cluster = found
    assert seat in cluster
    clusters = {
        a: {
            b
            for b, y in revealed.items()
            if x.agreement_key == y.agreement_key and (x.digest[0] ^ y.digest[0]).bit_count() <= tau
        }
        for a, x in revealed.items()
    }
    assert cluster == clusters[seat]
    assert len(cluster) == max(map(len, clusters.values()))
