"""What has been learned about the sources of a network, and what follows from it for the next query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scoring.retrieval.credit import feedback_credit
from scoring.retrieval.merging import Passage
from scoring.retrieval.reliability import Evidence
from scoring.retrieval.reranking import Grounding, covering, rerank
from scoring.retrieval.selection import Usefulness, choose


@dataclass(frozen=True)
class Shown:
    """One passage that an answer was made from: whether the answer rests on it, and how much, from 0 to 1."""

    passage: Passage
    grounded: bool
    importance: float


class Standings:
    """Reliability and usefulness of each source, from what its passages did for the answers."""

    def __init__(self, priors: Mapping[str, float]) -> None:
        """priors: expected reliability of each source before its first answer; see `prior_reliability`.

        Raises InvalidPriorError.
        """
        self.evidence = {source: Evidence(prior) for source, prior in priors.items()}
        self.usefulness = {source: Usefulness(prior) for source, prior in priors.items()}
        self.grounding = Grounding()

    def choose(self, count: int, random: np.random.Generator) -> list[str]:
        """The sources to ask next."""
        return choose({source: known.value for source, known in self.usefulness.items()}, count, random)

    def ranked(self, passages: Sequence[Passage]) -> list[Passage]:
        """The passages, best first. Raises InvalidRelevanceError."""
        standings = np.array([self.evidence[passage.source].standing for passage in passages])
        return [passages[i] for i in rerank(_relevances(passages), standings, self.grounding).tolist()]

    def learn(self, passages: Sequence[Passage], shown: Sequence[Shown], *, correct: bool | None) -> None:
        """Take in what one answer was worth.

        passages: all that the asked sources returned. shown: those that the answer was made from, of these. correct: by
        a reference; None without one, which leaves reliabilities as they are and moves usefulness only.
        Raises InvalidCreditError and InvalidRelevanceError, and then nothing has changed.
        """
        relevances = _relevances(passages)
        covers = covering(relevances, self.grounding)
        covered = {passage for passage, inside in zip(passages, covers.tolist(), strict=True) if inside}
        evidence, grounding = dict(self.evidence), self.grounding
        helped = set()
        for each in shown:
            passage = each.passage
            if correct is not None:
                credit = feedback_credit(correct, each.importance, grounded=each.grounded, covers=passage in covered)
                evidence[passage.source] = evidence[passage.source].after(credit)
            if each.grounded:
                grounding = grounding.after(passage.relevance, float(relevances.max()))
                if correct is not False:
                    helped.add(passage.source)
        for source in sorted({passage.source for passage in passages}):
            self.usefulness[source] = self.usefulness[source].after(source in helped)
        self.evidence, self.grounding = evidence, grounding


def _relevances(passages: Sequence[Passage]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([passage.relevance for passage in passages], np.float64)
