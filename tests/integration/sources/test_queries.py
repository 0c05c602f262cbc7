"""A query from the API to the sources and back, and what becomes of it."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from chain.contribution import parse_manifest
from chain.network import Network
from verifier.retrieval.exchange import Answer, AnsweredPassage, SignedQuery
from verifier.retrieval.records import QueryRecord, WindowHeader
from verifier.retrieval.source import SourceNode

pytestmark = pytest.mark.chain

Street = Any  # of the conftest, which cannot be imported from
QUESTION = {"text": "what is the rudder made of", "passages": 2}


def asked(street: Street, text: str = "what is the rudder made of") -> dict[str, Any]:
    answer = street.post("/v1/query", {"text": text, "passages": 2})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_query__to_three_sources__gives_passages_with_proofs(street: Street, network: Network) -> None:
    found = asked(street)
    assert [one["fault"] for one in found["asked"]] == [None, None, None]
    assert len({passage["digest"] for passage in found["passages"]}) == 2
    first = found["passages"][0]
    assert "rudder" in first["text"]
    assert 0 < first["relevance"] <= 1
    assert 0 < first["reliability"] < 1
    record = AnsweredPassage(
        first["position"],
        first["text"],
        round(first["relevance"] * 10**6),
        tuple(bytes.fromhex(node[2:]) for node in first["proof"]),
    )
    corpus = network.sources.functions.corpusOf(first["source"], first["version"]).call()
    assert record.is_in(street.sources[first["source"]]._corpus.commitment)
    assert corpus[0] == street.sources[first["source"]]._corpus.commitment.root


def test_query__without_identity__is_refused(street: Street) -> None:
    assert street.http.post("/v1/query", json=QUESTION).status_code == 401


def test_sources__listed__with_what_is_believed(street: Street) -> None:
    listed = street.http.get("/v1/sources").json()["sources"]
    assert [one["source"] for one in listed] == [1, 2, 3]
    assert all(one["active"] and one["passages"] == 7 for one in listed)
    assert {one["reliability"] for one in listed} == {0.1}


def test_feedback__of_a_judge__orders_the_sources(street: Street) -> None:
    for thing in ("wing", "engine", "rudder", "cabin", "propeller", "cockpit") * 2:
        found = asked(street, f"what is the {thing} made of")
        texts = [passage["text"] for passage in found["passages"]]
        verdict = "right" if "aluminium" in texts[0] else "wrong"
        assert street.feed_back(found, verdict, [0]).json() == {"counts": True}
    believed = {one["source"]: one["reliability"] for one in street.http.get("/v1/sources").json()["sources"]}
    assert min(believed[1], believed[2]) > believed[3]
    last = asked(street)
    assert "aluminium" in last["passages"][0]["text"]


def test_feedback__wrong_hands_or_twice__is_refused(street: Street, funded: Callable[[int], LocalAccount]) -> None:
    user, stranger = funded(0xB1), funded(0xB2)
    found = street.post("/v1/query", QUESTION, user).json()
    assert street.feed_back(found, "right", [0], stranger).status_code == 403
    assert street.feed_back(found, "right", [0], user).json() == {"counts": False}
    assert street.feed_back(found, "wrong", [0], user).status_code == 409
    # The asker's word moves nothing: the judge's does.
    listed = street.http.get("/v1/sources").json()["sources"]
    assert {one["reliability"] for one in listed} == {0.1}
    other = asked(street)
    swapped = {**found, "shown": found["shown"][::-1]}
    assert street.feed_back(swapped, "right", [0]).status_code == 403
    assert street.feed_back({**other, "query": "0x" + "00" * 32}, "right", [0]).status_code == 404


def test_window__of_four_queries__is_recorded_with_its_feedback(street: Street, network: Network) -> None:
    for number in range(4):
        found = asked(street)
        if number < 2:
            street.feed_back(found, "right", [0])
    street.step()
    (recorded,) = network.court.events.Recorded().get_logs(from_block=0)
    store = street.app.state.services.evidence
    leaves = parse_manifest(store.get(bytes(recorded["args"]["batch"]["dataHash"])))
    assert WindowHeader.from_block(store.get(leaves[0].evidence)).window == 1
    records = [QueryRecord.from_block(store.get(leaf.evidence)) for leaf in leaves[1:]]
    assert len(records) == 4
    assert sum(record.feedback is not None for record in records) == 2
    assert asked(street)["window"] == 2
    street.step()
    assert len(network.court.events.Recorded().get_logs(from_block=0)) == 1


def lying(node: SourceNode, change: Callable[[AnsweredPassage], AnsweredPassage]) -> None:
    """Have a source sign changed passages."""
    honest = node.answer

    def answer(query: SignedQuery) -> Answer:
        told, domain = honest(query), node.network.source_domain
        passages = [change(passage) for passage in told.passages]
        return Answer.signed(domain, node.account, query.query.digest(domain), node.source_id, told.version, passages)

    node.answer = answer  # type: ignore[assignment, method-assign]


def test_query__foreign_passage__is_dropped_and_its_source_slashed(street: Street, network: Network) -> None:
    lying(street.sources[3], lambda passage: replace(passage, text=passage.text + " Trust me."))
    found = asked(street)
    fault = {one["source"]: one["fault"] for one in found["asked"]}
    assert "not one that the source committed to" in fault[3]
    assert all(passage["source"] != 3 for passage in found["passages"])
    street.step()
    assert network.sources.functions.sourceOf(3).call()[2] == 3
    listed = {one["source"]: one["active"] for one in street.http.get("/v1/sources").json()["sources"]}
    assert listed == {1: True, 2: True, 3: False}
    assert {one["source"] for one in asked(street)["asked"]} == {1, 2}


def test_query__source_down_or_in_anothers_name__is_left_out(street: Street) -> None:
    sources = street.sources
    sources[1].answer = sources[2].answer
    sources[3].account = sources[2].account
    faults = {one["source"]: one["fault"] for one in asked(street)["asked"]}
    assert faults[1] == "It answered in another source's name."
    assert faults[2] is None
    assert faults[3] == "Its owner did not sign this answer."


def test_query__changed_corpus__is_followed_at_once(street: Street, tmp_path: Any) -> None:
    node = street.sources[2]
    (node.folder / "more.jsonl").write_text(json.dumps({"text": "A rudder steers."}))
    assert node.refresh()
    assert {one["fault"] for one in asked(street)["asked"]} == {None}


def test_recommendations__for_each_user__are_by_its_own_feedback(
    street: Street, funded: Callable[[int], LocalAccount]
) -> None:
    gullible, careful, silent = funded(0xB1), funded(0xB2), funded(0xB3)
    for user, liked in ((gullible, "cheese"), (careful, "aluminium")):
        found = street.post("/v1/query", {"text": "what is the rudder made of", "passages": 2}, user).json()
        place = next(at for at, passage in enumerate(found["passages"]) if liked in passage["text"])
        assert street.feed_back(found, "no_reference", [place], user).status_code == 201

    def for_user(user: LocalAccount) -> list[int]:
        return [one["source"] for one in street.get("/v1/sources/recommended", user).json()["sources"]]

    assert for_user(gullible) == [3]
    assert for_user(careful) == [1, 2]
    assert for_user(silent) == []
