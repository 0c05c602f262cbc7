"""What a source commits to."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.contribution import MalformedRecordError, canonical_json, content_digest
from chain.merkle import verify_proof
from scoring.retrieval.search import terms
from verifier.retrieval.corpus import Corpus, passage_leaf, read_index, text_digest, write_index
from verifier.retrieval.errors import UnreadableCorpusError

PASSAGES = ["Lift grows with the angle of the wing.", "Engines burn fuel.", "Lift grows with the angle of the wing."]


def test_corpus__each_passage__is_in_the_commitment() -> None:
    corpus = Corpus(PASSAGES)
    assert corpus.commitment.passages == 3
    for position, text in enumerate(PASSAGES):
        leaf = passage_leaf(position, text_digest(text))
        assert verify_proof(leaf, corpus.proof(position), corpus.commitment.root)
        assert not verify_proof(leaf, corpus.proof((position + 1) % 3), corpus.commitment.root)


def test_corpus__other_order__is_another_commitment() -> None:
    assert Corpus(PASSAGES[:2]).commitment.root != Corpus(PASSAGES[1::-1]).commitment.root


def test_corpus__another_process__commits_to_the_same() -> None:
    program = f"from verifier.retrieval.corpus import Corpus; print(Corpus({PASSAGES!r}).commitment.index.hex())"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
    assert told == Corpus(PASSAGES).commitment.index.hex()


def test_corpus__without_a_word__is_refused() -> None:
    with pytest.raises(UnreadableCorpusError, match="cannot be searched"):
        Corpus(["the of and", "!"])


def test_index_block__holds_no_order_of_words() -> None:
    one, other = "engines burn fuel", "fuel burn engines"
    assert Corpus([one]).index_block == Corpus([other]).index_block
    assert Corpus([one]).commitment.index == content_digest(Corpus([one]).index_block)


@given(st.lists(st.lists(st.sampled_from(["wing", "lift", "fuel"])), max_size=4))
def test_read_index__what_was_written__comes_back(corpus: list[list[str]]) -> None:
    assert read_index(write_index(corpus)) == [sorted(passage) for passage in corpus]


def raw(**changes: object) -> bytes:
    return canonical_json({**json.loads(write_index([terms("wing lift")])), **changes})


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"[]",
        raw(format="other"),
        raw(terms=["wing", "lift"]),
        raw(terms=["lift", "wing", "zebra"]),
        raw(passages=[[0, 7]]),
        raw(passages=[[-1, 0]]),
        raw(passages=[[1, 0]]),
        raw(terms=[1, 2]),
        write_index([["wing"]]) + b" ",
    ],
)
def test_read_index__anything_else__is_refused(block: bytes) -> None:
    with pytest.raises(MalformedRecordError):
        read_index(block)
