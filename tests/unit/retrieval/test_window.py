"""A window worked out from its evidence: the same bytes everywhere, and what is wrong with it is named."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from chain.merkle import leaf_hash, verify_proof
from verifier.node.specification import Specification
from verifier.node.workbench import LocalWorkbench, UnsuitableJobError
from verifier.node.worker import WorkerWorkbench
from verifier.retrieval.corpus import Corpus
from verifier.retrieval.exchange import Answer, AnsweredPassage, SignedQuery
from verifier.retrieval.learning import first_state, priors_of, standings_of, state_of
from verifier.retrieval.records import RetrievalJob, Verdict, WindowHeader, WindowState
from verifier.retrieval.window import FALSE, NOT_PUBLISHED, reliability_leaf, state_leaf, work_out
from verifier.shared.blocks import UnavailableBlockError
from verifier.workloads.errors import MalformedEvidenceError

Case = Any  # of the conftest, which cannot be imported from
ELSEWHERE = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("case", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["case"] = module
spec.loader.exec_module(module)
case = module.Case()
for place, thing in enumerate(module.THINGS):
    case.ask(thing, believed=3 if place % 4 == 3 else 1)
print(case.result().payload.hex())
"""


def owner(case: Case, source: int) -> str:
    return str(case.book[source].owner)


def test_work_out__elsewhere_with_more_threads__comes_to_the_same_payload(case: Case) -> None:
    conftest = Path(__file__).parent / "conftest.py"
    told = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(conftest)],
        env={**os.environ, "OMP_NUM_THREADS": "2", "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == case.result().payload.hex()


def test_work_out__in_a_worker__comes_to_the_same_payload_and_traces(case: Case) -> None:
    expected, work = case.result(), partial(work_out, case.job, case.domain, case.recorded())
    with closing(WorkerWorkbench(partial(LocalWorkbench, unused), 2**30, 60.0)) as bench:
        found = bench.work_out(work, case.blocks.get)
    assert found.payload == expected.payload
    assert found.traces.keys() == expected.traces.keys()
    assert all((found.traces[position] == trace).all() for position, trace in expected.traces.items())


def unused(specification: Specification) -> NoReturn:
    """Windows need no model."""
    raise UnsuitableJobError


def test_work_out__polluted_sources__are_believed_less_and_not_paid(case: Case) -> None:
    result = case.result()
    assert sum(result.shares.values()) == 1_000_003
    assert set(result.shares) <= {owner(case, 1), owner(case, 2)}
    assert result.worth[3] < 0 < result.worth[1]
    assert result.reliabilities[1] > result.reliabilities[2] > result.reliabilities[3]
    assert result.refused == {}


def test_work_out__equal_passages_of_two_sources__share_their_worth(case: Case) -> None:
    """Source 2 has what source 1 has: in the game, either gives what the answer rests on."""
    result = case.result()
    assert result.worth[1] == pytest.approx(result.worth[2])
    assert result.worth[1] + result.worth[2] + result.worth[3] + result.worth[4] == pytest.approx(
        sum(6 * [1.0]) - sum(2 * [1.0]), abs=1.0
    )


def test_work_out__proofs__are_what_the_contracts_verify(case: Case) -> None:
    result = case.result()
    for account, amount in result.shares.items():
        leaf = leaf_hash(encode(["bytes32", "address", "uint256"], [result.batch_id, account, amount]))
        assert verify_proof(leaf, result.share_proof(account), result.payload)
    tag = keccak(text="merit source reliabilities")
    words = [tag, result.batch_id, bytes(32), result.reliabilities_root]
    assert verify_proof(leaf_hash(encode(["bytes32"] * 4, words)), [result.shares_root], result.payload)
    for source, value in result.reliabilities.items():
        proof = result.reliability_proof(source)
        assert verify_proof(reliability_leaf(source, value), proof, result.reliabilities_root)
    assert verify_proof(state_leaf(result.state), result.state_proof(), result.reliabilities_root)


def test_work_out__no_judge__pays_nobody_and_believes_as_before(case: Case) -> None:
    """Threat 18 in retrieval: whoever asks and judges itself gains nothing."""
    stranger = case.organiser
    case.records = [
        case.judged(record, stranger, Verdict.RIGHT, [record.passages[record.shown[0]].digest])
        for record in case.records
    ]
    result = case.result()
    assert (result.shares, result.shares_root) == ({}, bytes(32))
    assert set(result.reliabilities.values()) == {100_000}


def test_work_out__judge_without_reference__moves_usefulness_alone(case: Case) -> None:
    case.records = [
        case.judged(record, case.judge, Verdict.NO_REFERENCE, [record.passages[record.shown[0]].digest])
        for record in case.records
    ]
    result = case.result()
    assert result.shares == {}
    assert set(result.worth.values()) == {0}
    assert set(result.reliabilities.values()) == {100_000}
    standings = standings_of(result.state, {})
    assert standings.usefulness["1"].value > standings.usefulness["4"].value


def test_work_out__feedback_moved_to_another_answer__is_nobodys(case: Case) -> None:
    first, second = case.records[0], case.records[1]
    case.records = [replace(second, feedback=first.feedback)]
    assert case.result().shares == {}


def test_work_out__shown_changed_after_the_judge_spoke__is_nobodys(case: Case) -> None:
    record = case.records[0]
    case.records = [replace(record, shown=(*record.shown, (2, record.shown[0][1])))]
    assert case.result().shares == {}


def forge(case: Case, source: int, change: Callable[[AnsweredPassage], AnsweredPassage]) -> None:
    """Have a source answer the first query with a changed first passage, which it signs."""
    record = case.records[0]
    query = record.asked.query.digest(case.domain)
    key = next(one for one in record.answers if one.source_id == source)
    passages = [change(key.passages[0]), *key.passages[1:]]
    from_owner = owner_account(source)
    forged = Answer.signed(case.domain, from_owner, query, source, 1, passages)
    answers = tuple(forged if one.source_id == source else one for one in record.answers)
    case.records[0] = replace(record, answers=answers, shown=(), feedback=None)


def owner_account(source: int) -> Any:
    from eth_account import Account  # noqa: PLC0415

    return Account.from_key(keccak(text=f"retrieval owner {source}"))


def test_work_out__source_that_states_its_own_relevance__is_not_paid_and_believed_less(case: Case) -> None:
    case.records[0] = replace(case.records[0], feedback=None)  # as it is where an answer is forged
    honest = case.result()
    forge(case, 1, lambda passage: replace(passage, relevance=passage.relevance + 3))
    result = case.result()
    assert list(result.refused) == [1]
    assert owner(case, 1) in honest.shares
    assert owner(case, 1) not in result.shares
    assert result.reliabilities[1] < honest.reliabilities[1]


def test_work_out__machines_that_differ_by_a_millionth__are_both_honest(case: Case) -> None:
    forge(case, 1, lambda passage: replace(passage, relevance=passage.relevance - 1))
    assert case.result().refused == {}


def test_work_out__committed_passage_that_was_not_found__is_noticed(case: Case) -> None:
    corpus = case.corpora[1]
    notes = len(corpus.passages) - 1

    def elsewhere(passage: AnsweredPassage) -> AnsweredPassage:
        return AnsweredPassage(notes, corpus.passages[notes], passage.relevance, corpus.proof(notes))

    forge(case, 1, elsewhere)
    assert case.result().refused == {1: FALSE}


def test_work_out__index_of_other_texts__is_noticed(case: Case) -> None:
    """An index that says more than the passages hold would make them look relevant."""
    stuffed = Corpus([f"{text} made made made" for text in case.corpora[1].passages])
    index = case.publish(stuffed.index_block)
    honest = case.corpora[1].commitment
    case.book[1] = replace(case.book[1], commitments={1: replace(honest, index=index)})
    assert case.result().refused == {1: FALSE}


def test_work_out__index_of_other_words_that_were_not_asked_for__is_noticed(case: Case) -> None:
    """All relevances are as they should be: only the words of the passages are not those of the index."""
    other = Corpus([text.replace("aircraft", "spaceship") for text in case.corpora[1].passages])
    honest = case.corpora[1].commitment
    case.book[1] = replace(case.book[1], commitments={1: replace(honest, index=case.publish(other.index_block))})
    assert case.result().refused == {1: FALSE}


def test_work_out__index_not_published__is_not_paid(case: Case) -> None:
    honest = case.result()
    del case.blocks[case.book[1].commitments[1].index]
    result = case.result()
    assert result.refused == {1: NOT_PUBLISHED}
    assert owner(case, 1) not in result.shares
    assert result.reliabilities == honest.reliabilities


def test_work_out__answer_shorter_than_the_index_has__is_noticed(case: Case) -> None:
    record = case.records[0]
    query = record.asked.query.digest(case.domain)
    short = Answer.signed(case.domain, owner_account(2), query, 2, 1, record.answers[1].passages[:1])
    answers = (record.answers[0], short, *record.answers[2:])
    case.records[0] = replace(record, answers=answers, feedback=None)
    assert list(case.result().refused) == [2]


def test_work_out__source_that_left__is_not_paid(case: Case) -> None:
    case.book[1] = replace(case.book[1], active=False)
    assert owner(case, 1) not in case.result().shares


def test_work_out__second_window__goes_on_from_the_first(case: Case) -> None:
    first = case.result()
    case.next_window()
    case.ask("wing", believed=1)
    second = case.result()
    assert second.state.window == 2
    assert second.reliabilities[1] > first.reliabilities[1]
    assert second.reliabilities[4] == first.reliabilities[4]
    assert second.adopted == first.reliabilities_root


def test_state__written_and_read__is_the_same(case: Case) -> None:
    state = case.result().state
    assert type(state).from_block(state.to_block()) == state
    assert state_of(state.window, standings_of(state, {})) == state


def refused_as(case: Case, sentence: str) -> None:
    with pytest.raises(MalformedEvidenceError, match=sentence):
        case.result()


def test_work_out__query_of_another_window_or_asker__is_no_window(case: Case) -> None:
    record = case.records[0]
    for query, account in (
        (replace(record.asked.query, window=2), case.organiser),
        (replace(record.asked.query, job_id=8), case.organiser),
        (record.asked.query, case.judge),
    ):
        case.records[0] = replace(record, asked=SignedQuery.signed(case.domain, account, query))
        refused_as(case, "not one of this window")


def test_work_out__answer_that_its_source_did_not_give__is_no_window(case: Case) -> None:
    first, second = case.records[:2]
    case.records[0] = replace(first, answers=(second.answers[0], *first.answers[1:]))
    refused_as(case, "did not give this answer")
    case.records[0] = replace(first, answers=first.answers[:1], shown=(), feedback=None)
    case.records[0] = replace(case.records[0], answers=(replace(first.answers[0], source_id=99),))
    refused_as(case, "source 99")


def test_work_out__foreign_passage__is_no_window(case: Case) -> None:
    forge(case, 1, lambda passage: replace(passage, text="Something else."))
    refused_as(case, "not one that the source committed to")


def test_work_out__query_twice__is_no_window(case: Case) -> None:
    case.records.append(case.records[0])
    refused_as(case, "recorded twice")


def test_work_out__other_organiser_or_units__is_no_window(case: Case) -> None:
    job = case.job
    case.job = RetrievalJob(case.judge.address, job.judges, job.units)
    refused_as(case, "are held by")
    case.job = job
    recorded = case.recorded()
    leaves = [replace(recorded.leaves[0], units=4), *recorded.leaves[1:]]
    case.recorded = lambda: replace(recorded, leaves=leaves)
    refused_as(case, "is paid by 3 units")


def test_work_out__start_that_was_not_adopted__is_no_window(case: Case) -> None:
    case.next_window()
    case.ask("wing", believed=1)
    header, adopted = case.header, case.adopted
    flattered = WindowState(1, {1: (0,) * 9}, first_state().grounding)
    case.header = replace(header, state=case.publish(flattered.to_block()))
    refused_as(case, "adopted last")
    case.header = header
    case.adopted = bytes(32)
    refused_as(case, "adopted last")
    case.adopted = adopted
    case.header = WindowHeader(header.window, case.publish(first_state().to_block()), header.proof)
    refused_as(case, "adopted last")
    case.header = replace(header, window=3)
    refused_as(case, "adopted last")


@pytest.mark.parametrize("leaf", [0, 1])
def test_work_out__block_that_is_gone__is_unavailable(case: Case, leaf: int) -> None:
    recorded = case.recorded()
    case.recorded = lambda: recorded
    del case.blocks[recorded.leaves[leaf].evidence]
    with pytest.raises(UnavailableBlockError):
        case.result()


def test_work_out__record_that_is_none__is_no_window(case: Case) -> None:
    recorded = case.recorded()
    leaves = [*recorded.leaves[:-1], replace(recorded.leaves[-1], evidence=case.publish(b"{}"))]
    case.recorded = lambda: replace(recorded, leaves=leaves)
    refused_as(case, "not the record of a query")


def test_priors__ranks_of_owners__are_relative_to_the_median() -> None:
    assert priors_of({1: 0, 2: 0}) == {1: 0.1, 2: 0.1}
    assert priors_of({1: 0, 2: 10, 3: 20, 4: 40}) == pytest.approx({1: 0.1, 2: 0.3, 3: 0.5, 4: 0.5})
