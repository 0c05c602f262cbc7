"""Search in the passages of one source: by words, by what words occur together, and by both."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import bm25s
import numpy as np
import Stemmer
from bm25s.stopwords import STOPWORDS_EN
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import svds

from scoring.retrieval.errors import EmptyCorpusError
from scoring.retrieval.merging import DECIMALS, first, fused, normalised
from scoring.retrieval.words import words_of

# More dimensions cost more and find no better (Dumais, 1991).
DIMENSIONS = 200
# Singular values that differ by less, as a part of the largest, count as equal.
_EQUAL = 1e-6


def terms(text: str) -> list[str]:
    """The words of a text, in lower case, reduced to their English stems, without those that carry no meaning."""
    meant = [word for word in words_of(text) if word not in STOPWORDS_EN]
    stemmed: list[str] = Stemmer.Stemmer("english").stemWords(meant)
    return stemmed


@dataclass(frozen=True)
class Match:
    """position: of the passage in the corpus. relevance: from 0 to 1, the part of the query's weight that it covers."""

    position: int
    relevance: float


class PassageIndex:
    """An index that is a function of the passages, in their order: who has the corpus finds the same.

    Words are weighed by BM25 (Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009; k1 = 1.5,
    b = 0.75). What occurs together is found by latent semantic analysis (Deerwester et al., "Indexing by Latent
    Semantic Analysis", 1990): the cosine in the space of the first singular vectors of the words' weights. It needs no
    trained model.
    """

    def __init__(self, passages: Sequence[str | Sequence[str]]) -> None:
        """passages: each as text, or as its `terms` in any order, which is all that a search depends on.

        Raises EmptyCorpusError where no passage holds a word.
        """
        corpus = [terms(passage) if isinstance(passage, str) else list(passage) for passage in passages]
        self._columns = {term: column for column, term in enumerate(sorted({term for each in corpus for term in each}))}
        if not self._columns:
            raise EmptyCorpusError
        self._words = bm25s.BM25(k1=1.5, b=0.75, method="lucene")
        self._words.index(corpus, show_progress=False)
        counts = self._counts(corpus)
        occurs = np.bincount(counts.indices, minlength=len(self._columns))
        # Lucene's weight of a term, which bounds what a passage can score by it.
        self._word_bound = np.log1p((len(corpus) - occurs + 0.5) / (occurs + 0.5))
        self._unseen_bound = float(np.log1p((len(corpus) + 0.5) / 0.5))
        self._rarity = np.log((1 + len(corpus)) / (1 + occurs)) + 1
        weights = self._weights(counts)
        # By terms, as a product with a query needs it: otherwise each query would copy all of it.
        self._directions = np.ascontiguousarray(_directions(weights).T)
        self._places = _unit_rows(weights @ self._directions)

    def word_scores(self, query: str) -> NDArray[np.float64]:
        """BM25 of each passage: (passages,)."""
        known = [term for term in terms(query) if term in self._columns]
        if not known:
            return np.zeros(len(self._places))
        return np.asarray(self._words.get_scores(known), np.float64).round(DECIMALS)

    def meaning_scores(self, query: str) -> NDArray[np.float64]:
        """Cosine of each passage in the latent space, -1 to 1: (passages,)."""
        place = _unit_rows(self._weights(self._counts([terms(query)])) @ self._directions)
        return np.asarray(self._places @ place[0]).round(DECIMALS)

    def search(self, query: str, count: int) -> list[Match]:
        """The best `count` passages by both kinds of score, best first; fewer where fewer share anything with it."""
        words, meaning = self.word_scores(query), self.meaning_scores(query)
        relevances = normalised(words, self._bound(query))
        shares = np.flatnonzero((words > 0) | (meaning > 0))
        found = shares[first(fused([words, meaning])[shares], count)]
        return [Match(position, float(relevances[position])) for position in found.tolist()]

    def _bound(self, query: str) -> float:
        """The sum of the weights of the query's words; one that no passage holds weighs most."""
        columns = (self._columns.get(term) for term in terms(query))
        return float(sum(self._unseen_bound if column is None else self._word_bound[column] for column in columns))

    def _counts(self, texts: Sequence[Sequence[str]]) -> csr_array:
        """How often each known term is in each text: (texts, terms)."""
        cells = [
            (row, self._columns[term], count)
            for row, each in enumerate(texts)
            for term, count in sorted(Counter(each).items())
            if term in self._columns
        ]
        rows, columns, counts = np.array(cells, np.int64).reshape(-1, 3).T
        return csr_array((counts.astype(np.float64), (rows, columns)), shape=(len(texts), len(self._columns)))

    def _weights(self, counts: csr_array) -> csr_array:
        """Rows of `(1 + log count) * rarity` of length 1; an empty text stays empty."""
        weights = counts.copy()
        weights.data = (1 + np.log(weights.data)) * self._rarity[weights.indices]
        lengths = np.sqrt(weights.multiply(weights).sum(axis=1))
        weights.data /= np.repeat(lengths, np.diff(weights.indptr))
        return weights


def _directions(weights: csr_array) -> NDArray[np.float64]:
    """The first right singular vectors, (at most DIMENSIONS, terms).

    Never only some of those with equal singular values: which of them come first is up to the last bit of a machine's
    sums, and with it what is found.
    """
    if min(weights.shape) <= DIMENSIONS + 1:
        _, values, directions = np.linalg.svd(weights.toarray(), full_matrices=False)
    else:
        start = np.ones(min(weights.shape))  # a random one would make the result differ from run to run
        _, values, directions = svds(weights, k=DIMENSIONS + 1, v0=start)
        values, directions = values[::-1], directions[::-1]
    falls = values - np.append(values[1:], 0.0) > _EQUAL * values[0]
    return np.asarray(directions[: 1 + int(np.flatnonzero(falls[:DIMENSIONS])[-1])])


def _unit_rows(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows with length 1; rows of zeros stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1))
