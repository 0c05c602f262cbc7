"""A query from the API to the sources and back, and what becomes of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from backend.app import ChainSide, create_app
from backend.sources import repository
from backend.sources.service import SourceService
from chain.contribution import parse_manifest
from chain.network import Network
from chain.sender import TransactionSender
from verifier.retrieval.corpus import Corpus
from verifier.retrieval.exchange import Answer, AnsweredPassage, SignedQuery
from verifier.retrieval.records import Feedback, QueryRecord, Verdict, WindowHeader
from verifier.retrieval.source import SourceNode, register

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


def test_slash__false_answer_before_a_restart__is_done_after_it(street: Street, network: Network) -> None:
    lying(street.sources[3], lambda passage: replace(passage, text=passage.text + " Trust me."))
    asked(street)
    asked(street)
    with restarted(street) as (_, step):
        step("windows")
        assert network.sources.functions.sourceOf(3).call()[2] == 3
        assert len(network.sources.events.Slashed().get_logs(from_block=0)) == 1
        with street.app.state.services.database.read() as session:
            assert repository.false_answers(session, 10) == []


@contextmanager
def restarted(street: Street) -> Iterator[tuple[SourceService, Callable[[str], None]]]:
    """Another process on the same database, and what makes a step of one of its workers."""
    settings = street.app.state.services.settings
    app = create_app(settings, ChainSide.connect(settings, settings.account()))

    def step(name: str) -> None:
        (worker,) = (one for one in app.state.services.workers.all if one.name == name)
        worker.step()

    try:
        yield app.state.sources, step
    finally:
        app.state.sources.close()
        app.state.services.database.close()


def believed(service: SourceService) -> Any:
    """Up to what the order makes of it in which judges' words came: that of asking counts from the next window on."""
    return pytest.approx(beliefs(service), abs=0.01)


def beliefs(service: SourceService) -> dict[int, float]:
    return {source.source_id: one for source, one, _ in service.sources()}


def test_follower__another_process_leads__answers_and_learns_what_either_was_told(street: Street) -> None:
    with restarted(street) as (follower, step):
        assert follower.sources() == []
        step("sources")
        found = follower.query(street.judge.address, "what is the rudder made of", 2)
        assert found.record is not None
        assert found.record.asked.query.window == 1
        told = asked(street)
        assert street.feed_back(told, "right", [0]).json() == {"counts": True}
        assert beliefs(street.service) != believed(follower)
        step("sources")
        assert beliefs(street.service) == believed(follower)
        given = Feedback.signed(
            street.network.source_domain,
            street.judge,
            found.digest,
            found.record.shown_keys,
            Verdict.WRONG,
            [found.passages[0].passage.digest],
        )
        assert follower.feed_back(found.digest, given)
        street.service.follow()
        assert beliefs(street.service) == believed(follower)
        # As many queries as a window holds, half of them here.
        follower.query(street.judge.address, "what is the wing made of", 2)
        asked(street)
        street.step()
        step("sources")
        assert follower.window == street.service.window == 2


def test_follower__window_closed_meanwhile__asks_again_in_the_next(street: Street) -> None:
    with restarted(street) as (follower, step):
        step("sources")
        for _ in range(4):
            asked(street)
        street.step()
        assert follower.window == 1
        found = follower.query(street.judge.address, "what is the rudder made of", 2)
        assert found.record is not None
        assert found.record.asked.query.window == 2
        with street.app.state.services.database.read() as session:
            assert repository.count_in(session, 1)[0] == 4
            assert repository.count_in(session, 2)[0] == 1


def test_feedback__without_a_reference__leaves_reliability_and_moves_usefulness(street: Street) -> None:
    before = street.http.get("/v1/sources").json()["sources"]
    for thing in ("wing", "engine", "rudder"):
        found = asked(street, f"what is the {thing} made of")
        assert street.feed_back(found, "no_reference", [0]).json() == {"counts": True}
    after = street.http.get("/v1/sources").json()["sources"]
    assert [one["reliability"] for one in after] == [one["reliability"] for one in before]
    assert [one["usefulness"] for one in after] != [one["usefulness"] for one in before]


def test_query__source_down_or_in_anothers_name__is_left_out(street: Street) -> None:
    sources = street.sources
    sources[1].answer = sources[2].answer
    sources[3].account = sources[2].account
    faults = {one["source"]: one["fault"] for one in asked(street)["asked"]}
    assert faults[1] == "It answered in another source's name."
    assert faults[2] is None
    assert faults[3] == "Its owner did not sign this answer."


def test_query__changed_corpus__is_followed_at_once(street: Street, funded: Callable[[int], LocalAccount]) -> None:
    node = street.sources[2]
    (node.folder / "more.jsonl").write_text(json.dumps({"text": "A rudder steers."}))
    assert node.refresh()
    newcomer = funded(0x54)
    assert register(street.network, TransactionSender(street.network.web3, newcomer), Corpus(["A rudder."]), "") == 4
    assert {one["fault"] for one in asked(street)["asked"]} == {None}
    # Of whom nothing is believed yet is asked after the next look at the chain.
    assert {one["source"] for one in asked(street)["asked"]} == {1, 2, 3}
    street.step()
    assert {one["source"] for one in asked(street)["asked"]} == {1, 2, 3, 4}


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
