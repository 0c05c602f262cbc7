"""Records of queries as strangers write them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from chain.contribution import MalformedRecordError, canonical_json
from verifier.retrieval.records import QueryRecord, RetrievalJob, WindowHeader, WindowState

Case = Any  # of the conftest, which cannot be imported from


def test_records__written__come_back(case: Case) -> None:
    result = case.result()
    for record in (case.job, case.header, result.state, *case.records):
        assert type(record).from_block(record.to_block()) == record


@pytest.mark.parametrize("kind", [RetrievalJob, WindowHeader, WindowState, QueryRecord])
@pytest.mark.parametrize("block", [b"", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000, b"NaN"])
def test_records__strangers_bytes__are_refused(kind: Any, block: bytes) -> None:
    with pytest.raises(MalformedRecordError):
        kind.from_block(block)


def change(path: str, value: Any) -> Callable[[Any], None]:
    def apply(raw: Any) -> None:
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in way:
            raw = raw[step]
        raw[last] = value

    return apply


@pytest.mark.parametrize(
    "hostile",
    [
        change("answers", []),
        change("answers", 7),
        change("more", 1),
        change("shown", [[1, 99]]),
        change("shown", [[1]]),
        change("asked.query.count", 2**70),
        change("asked.query.window", -1),
        change("asked.signature", "0x00"),
        change("answers.0.source", 2),
        change("answers.0.passages.0.position", 2**32),
        change("answers.0.passages.0.relevance", 10**6 + 1),
        change("answers.0.passages.0.relevance", 0.5),
        change("answers.0.passages.0.text", "\ud800"),
        change("answers.0.passages.0.text", "x" * 20_001),
        change("answers.0.passages.0.proof", ["00" * 32] * 33),
        change("answers.0.passages.0.proof", ["00"]),
        change("feedback.verdict", 3),
        change("feedback.verdict", True),
        change("feedback.grounded", ["00"]),
        lambda raw: raw["shown"].append(raw["shown"][0]),
        lambda raw: raw["answers"].append(raw["answers"][0]),
        lambda raw: raw["answers"].extend({**raw["answers"][0], "source": number} for number in (5, 6, 7)),
    ],
)
def test_query_record__one_thing_wrong__is_refused(case: Case, hostile: Callable[[Any], None]) -> None:
    raw = json.loads(case.records[0].to_block())
    hostile(raw)
    with pytest.raises(MalformedRecordError):
        QueryRecord.from_block(canonical_json(raw))


def test_query_record__other_spelling__is_refused(case: Case) -> None:
    block = case.records[0].to_block()
    for other in (block + b" ", json.dumps(json.loads(block)).encode()):
        with pytest.raises(MalformedRecordError, match="canonical"):
            QueryRecord.from_block(other)


@pytest.mark.parametrize("judges", [["0x11"], ["0x" + "11" * 20] * 1_001, "nobody"])
def test_retrieval_job__judges_that_are_none_or_too_many__is_refused(case: Case, judges: Any) -> None:
    block = canonical_json({"judges": judges, "organiser": case.organiser.address, "units": 1})
    with pytest.raises(MalformedRecordError):
        RetrievalJob.from_block(block)
