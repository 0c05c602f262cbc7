"""What each source added to an answer: with a sign, so that a source can also have harmed it."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from scoring.retrieval.errors import TooManySourcesError
from scoring.retrieval.merging import Passage
from scoring.retrieval.metrics import ndcg
from scoring.retrieval.reliability import USUAL_CREDIT
from scoring.retrieval.words import words_of
from scoring.shapley import Coalitions, Game, exact_shapley

# 64 evaluations.
MOST_SOURCES = 6


def source_credits(sources: Sequence[str], game: Game) -> dict[str, float]:
    """The exact Shapley value of each answering source; they sum to the worth of all less that of none.

    game: the worth, from 0 to 1, of the answer made from each coalition of the sources, in their order: its agreement
    with a reference, or, where there is none, with the answer that all sources give together. Credits by agreement move
    usefulness and never reliability. Raises TooManySourcesError above MOST_SOURCES.
    """
    if len(sources) > MOST_SOURCES:
        raise TooManySourcesError(len(sources), MOST_SOURCES)
    return dict(zip(sources, exact_shapley(game, len(sources)).tolist(), strict=True))


def ranking_game(
    sources: Sequence[str], ranking: Sequence[Passage], grades: Mapping[bytes, int], *, depth: int
) -> Game:
    """The game in which a coalition is worth the nDCG of what is left of the ranking without the other sources.

    grades: of passages by digest. Of equal passages only the first counts, so that an answer that is given twice is
    shared, and a passage without a grade that takes the place of a good one costs its source.
    """

    def worth(members: Coalitions) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        coalitions = [{source for source, inside in zip(sources, row, strict=True) if inside} for row in members]
        rankings = [
            list(dict.fromkeys(passage.digest for passage in ranking if passage.source in coalition))
            for coalition in coalitions
        ]
        return np.array([ndcg(left, grades, depth) for left in rankings])

    return worth


def agreement_game(sources: Sequence[str], answer: Callable[[Collection[str]], str]) -> Game:
    """The game in which a coalition is worth the agreement of its answer with that of all sources, from 0 to 1.

    For answers that nothing is known about to compare them with. answer: what is answered from the passages of some of
    the sources; asked once for each coalition.
    """

    def worth(members: Coalitions) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        reference = answer(sources)
        answers = (
            reference if row.all() else answer([source for source, inside in zip(sources, row, strict=True) if inside])
            for row in members
        )
        return np.array([agreement(one, reference) for one in answers])

    return worth


def agreement(answer: str, reference: str) -> float:
    """How far two answers share their words, from 0 to 1: the harmonic mean of precision and recall.

    After Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text" (2016); 1 for two without
    words.
    """
    said, wanted = (Counter(words_of(text)) for text in (answer, reference))
    if not said and not wanted:
        return 1.0
    return 2 * (said & wanted).total() / (said.total() + wanted.total())


def feedback_credit(correct: bool, importance: float, *, grounded: bool, covers: bool) -> float:
    """The credit of one passage in an answer that a reference proved right or wrong, from -1 to 1.

    A passage that the answer rests on shares its fate by its importance (0 to 1). One that covers the query, and on
    which the right answer yet does not rest, says something else and is contradicted. Anything else says nothing.
    """
    if grounded:
        return importance if correct else -importance
    return -USUAL_CREDIT if correct and covers else 0.0
