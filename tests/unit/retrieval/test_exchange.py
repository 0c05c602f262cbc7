"""Queries and answers, and what strangers make of them."""

import json
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address

from chain.contribution import MalformedRecordError, canonical_json
from chain.typed_data import SourceDomain
from verifier.retrieval.corpus import Corpus
from verifier.retrieval.errors import ForeignPassageError, UnusableAnswerError
from verifier.retrieval.exchange import Answer, Query, SignedQuery, answer_from

DOMAIN = SourceDomain(31337, to_checksum_address("0x" + "51" * 20))
ASKER, OWNER = Account.from_key(b"\x01" * 32), Account.from_key(b"\x02" * 32)
CORPUS = Corpus(["The wing creates lift.", "Engines burn fuel.", "The wing and its lift are old news."])
QUERY = Query(4, 1, b"n" * 32, 2, "lift of a wing")


def answered(query: Query = QUERY) -> Answer:
    return answer_from(CORPUS, DOMAIN, OWNER, 9, 3, query)


def test_answer_from__a_query__is_signed_committed_and_read_again() -> None:
    answer = answered()
    assert [passage.position for passage in answer.passages] == [0, 2]
    assert answer.signer(DOMAIN, QUERY.digest(DOMAIN)) == OWNER.address
    answer.check(CORPUS.commitment, QUERY.count)
    assert Answer.from_json(json.loads(canonical_json(answer.to_json()))) == answer


def test_signed_query__asked__comes_back() -> None:
    asked = SignedQuery.signed(DOMAIN, ASKER, QUERY)
    assert SignedQuery.from_block(asked.to_block()) == asked
    assert asked.asker(DOMAIN) == ASKER.address
    assert replace(asked, signature=b"").asker(DOMAIN) is None


@pytest.mark.parametrize(
    "changed",
    [
        replace(QUERY, job_id=5),
        replace(QUERY, window=2),
        replace(QUERY, nonce=b"m" * 32),
        replace(QUERY, count=1),
        replace(QUERY, text="fuel"),
    ],
)
def test_threat_14__answer_replayed_for_another_query__is_not_the_owners(changed: Query) -> None:
    assert answered().signer(DOMAIN, changed.digest(DOMAIN)) != OWNER.address
    assert SignedQuery(changed, SignedQuery.signed(DOMAIN, ASKER, QUERY).signature).asker(DOMAIN) != ASKER.address


@pytest.mark.parametrize(
    "domain", [replace(DOMAIN, chain_id=1), replace(DOMAIN, registry=to_checksum_address("0x" + "52" * 20))]
)
def test_threat_14__answer_of_another_network__is_not_the_owners(domain: SourceDomain) -> None:
    assert answered().signer(domain, QUERY.digest(DOMAIN)) != OWNER.address


def test_signature__covers_every_part_of_the_answer() -> None:
    answer, query = answered(), QUERY.digest(DOMAIN)
    first = answer.passages[0]
    parts: list[dict[str, Any]] = [
        {"position": 1},
        {"text": first.text + " "},
        {"relevance": first.relevance + 1},
        {"proof": first.proof[:-1]},
    ]
    for change in parts:
        changed = replace(answer, passages=(replace(first, **change), *answer.passages[1:]))
        assert changed.signer(DOMAIN, query) != OWNER.address
    assert replace(answer, version=4).signer(DOMAIN, query) != OWNER.address
    assert replace(answer, source_id=8).signer(DOMAIN, query) != OWNER.address
    assert replace(answer, passages=answer.passages[:1]).signer(DOMAIN, query) != OWNER.address


def test_check__passage_outside_the_commitment__is_foreign() -> None:
    answer = answered()
    forged = replace(answer, passages=(answer.passages[0], replace(answer.passages[1], text="Something else.")))
    with pytest.raises(ForeignPassageError) as found:
        forged.check(CORPUS.commitment, 2)
    assert found.value.which == 1
    with pytest.raises(ForeignPassageError):
        answer.check(None, 2)
    with pytest.raises(ForeignPassageError):
        answer.check(replace(CORPUS.commitment, passages=2), 2)


def test_check__more_than_asked_or_one_twice__is_unusable() -> None:
    answer = answered()
    with pytest.raises(UnusableAnswerError, match="more passages"):
        answer.check(CORPUS.commitment, 1)
    with pytest.raises(UnusableAnswerError, match="one twice"):
        replace(answer, passages=answer.passages[:1] * 2).check(CORPUS.commitment, 2)


def hostile(**changes: Any) -> bytes:
    return canonical_json({"query": {**QUERY.to_json(), **changes}, "signature": ""})


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"[]",
        b"{}",
        hostile(count=0),
        hostile(count=11),
        hostile(count=True),
        hostile(text=""),
        hostile(text="x" * 2_001),
        hostile(text="\ud800"),
        hostile(text=3),
        hostile(nonce="00"),
        hostile(job=-1),
        hostile(window=2**64),
        hostile(more=1),
        b"[" * 100_000,
    ],
)
def test_signed_query__strangers_bytes__are_refused(block: bytes) -> None:
    with pytest.raises(MalformedRecordError):
        SignedQuery.from_block(block)
