"""The blocks that strangers publish: read only in their one canonical form, whatever they hold."""

import json
from dataclasses import replace

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from chain.contribution import MalformedRecordError, canonical_json
from chain.typed_data import Domain
from verifier.models.generation import TextRequest
from verifier.node.audit import Round
from verifier.node.openings import openings_block, parse_openings, sampled_keys
from verifier.node.served_work import ServedWork
from verifier.node.specification import Specification
from verifier.provider.requester import place_order

REQUESTER, CONTRIBUTOR = Account.create(), Account.create()
DOMAIN = Domain(31337, CONTRIBUTOR.address)
REQUEST = TextRequest(prompt=(1, 2), maximum_new_tokens=3, sampling_seed=4)
ORDER = place_order(DOMAIN, REQUESTER, job_id=5, contributor=CONTRIBUTOR.address, sequence=6, request=REQUEST)
WORK = canonical_json({"output": [9], "request": {"maximum_new_tokens": 3, "prompt": [1, 2], "sampling_seed": 4}})
SERVED = ServedWork(WORK, ORDER.signature)

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
hostile = st.one_of(
    st.binary(max_size=200),
    documents.map(lambda document: json.dumps(document).encode()),
    documents.map(lambda document: json.dumps({"work": document, "request_signature": "0x00"}).encode()),
    documents.map(lambda document: json.dumps({"kind": document, "model": "00", "workload": document}).encode()),
    documents.map(lambda document: json.dumps({"openings": document}).encode()),
    st.just(b'{"openings":' + b"[" * 100_000),
)


def test_served_work__its_own_block__the_same_again() -> None:
    assert ServedWork.from_block(SERVED.to_block()) == SERVED


@given(hostile)
def test_from_block__hostile_bytes__malformed_or_canonical(block: bytes) -> None:
    for kind in (ServedWork, Specification):
        try:
            parsed = kind.from_block(block)
        except MalformedRecordError:
            continue
        assert parsed.to_block() == block


def test_served_work__spaces_added__malformed() -> None:
    with pytest.raises(MalformedRecordError, match="canonical"):
        ServedWork.from_block(SERVED.to_block().replace(b",", b", "))


def test_is_ordered_by__as_ordered__yes() -> None:
    assert SERVED.is_ordered_by(REQUESTER.address, DOMAIN, 5, CONTRIBUTOR.address, 6)


def test_is_ordered_by__anything_else__no() -> None:
    other_work = canonical_json({"request": {"maximum_new_tokens": 3, "prompt": [1, 3], "sampling_seed": 4}})
    assert not SERVED.is_ordered_by(CONTRIBUTOR.address, DOMAIN, 5, CONTRIBUTOR.address, 6)
    assert not SERVED.is_ordered_by(REQUESTER.address, Domain(1, DOMAIN.court), 5, CONTRIBUTOR.address, 6)
    assert not SERVED.is_ordered_by(REQUESTER.address, DOMAIN, 4, CONTRIBUTOR.address, 6)
    assert not SERVED.is_ordered_by(REQUESTER.address, DOMAIN, 5, REQUESTER.address, 6)
    assert not SERVED.is_ordered_by(REQUESTER.address, DOMAIN, 5, CONTRIBUTOR.address, 7)
    assert not replace(SERVED, work=other_work).is_ordered_by(REQUESTER.address, DOMAIN, 5, CONTRIBUTOR.address, 6)
    assert not replace(SERVED, work=b"[]").is_ordered_by(REQUESTER.address, DOMAIN, 5, CONTRIBUTOR.address, 6)


def test_specification__its_own_block__the_same_again() -> None:
    specification = Specification("inference", "text-generation", b"\x07" * 32)
    assert Specification.from_block(specification.to_block()) == specification


@given(st.lists(st.binary(max_size=50), max_size=16))
def test_parse_openings__block_of_openings__the_openings(openings: list[bytes]) -> None:
    assert parse_openings(openings_block(openings), len(openings)) == openings


@given(hostile, st.integers(0, 16))
def test_parse_openings__hostile_bytes__as_many_as_were_asked_for(block: bytes, samples: int) -> None:
    assert len(parse_openings(block, samples)) == samples


def test_sampled_keys__next_round__same_leaves_under_other_keys() -> None:
    first = sampled_keys(Round(0, b"\x01" * 32, b"\x01" * 32, (), 0), count=50, samples=4)
    second = sampled_keys(Round(1, b"\x02" * 32, b"\x01" * 32, (), 0), count=50, samples=4)
    assert [position for position, _ in first] == [position for position, _ in second]
    assert not {key for _, key in first} & {key for _, key in second}
