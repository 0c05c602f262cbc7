import json
from dataclasses import replace

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from chain.contribution import (
    Leaf,
    MalformedRecordError,
    build_batch,
    canonical_json,
    content_digest,
    parse_manifest,
)

CONTRIBUTOR = to_checksum_address("0x" + "c1" * 20)


def make_leaf(sequence: int, job_id: int = 3, units: int = 32) -> Leaf:
    return Leaf(job_id, CONTRIBUTOR, sequence, units, content_digest(b"trace"), content_digest(bytes([sequence % 256])))


leaf_runs = st.builds(
    lambda first, units: [make_leaf(first + i, units=amount) for i, amount in enumerate(units)],
    st.integers(0, 2**40),
    st.lists(st.integers(1, 2**20), min_size=1, max_size=20),
)


@given(leaf_runs)
def test_build_batch__any_run_of_leaves__manifest_gives_the_leaves_back(leaves: list[Leaf]) -> None:
    batch, manifest = build_batch(leaves, deadline=7)
    assert parse_manifest(manifest) == leaves
    assert (batch.first, batch.count, batch.units) == (leaves[0].sequence, len(leaves), sum(x.units for x in leaves))
    assert batch.data_hash == content_digest(manifest)


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 6},
        {"job_id": 4},
        {"contributor": to_checksum_address("0x" + "c2" * 20)},
    ],
)
def test_build_batch__leaf_of_another_run__is_refused(change: dict[str, object]) -> None:
    with pytest.raises(MalformedRecordError, match="Leaf 1"):
        build_batch([make_leaf(4), replace(make_leaf(5), **change)], deadline=0)


@pytest.mark.parametrize("field", ["job_id", "sequence", "units", "trace_root", "evidence"])
def test_leaf_hash__any_field_changed__changes(field: str) -> None:
    leaf = make_leaf(1)
    value = getattr(leaf, field)
    other = bytes(32) if isinstance(value, bytes) else value + 1
    assert replace(leaf, **{field: other}).hash != leaf.hash


@given(st.binary(max_size=200))
def test_parse_manifest__arbitrary_bytes__is_refused(block: bytes) -> None:
    with pytest.raises(MalformedRecordError):
        parse_manifest(block)


@pytest.mark.parametrize(
    "mutate",
    [
        lambda raw: raw | {"note": 1},
        lambda raw: raw | {"contributor": raw["contributor"].lower()},
        lambda raw: raw | {"leaves": []},
        lambda raw: raw | {"job_id": -1},
        lambda raw: raw | {"job_id": True},
        lambda raw: raw | {"leaves": [raw["leaves"][0] | {"units": 2**64}]},
        lambda raw: raw | {"leaves": [raw["leaves"][0] | {"evidence": "00"}]},
    ],
)
def test_parse_manifest__altered_manifest__is_refused(mutate) -> None:  # type: ignore[no-untyped-def]
    _, manifest = build_batch([make_leaf(0)], deadline=0)
    with pytest.raises(MalformedRecordError):
        parse_manifest(canonical_json(mutate(json.loads(manifest))))
