"""Answers from sources that are partly wrong, and search without a trained model, against their targets.

    python benchmarks/retrieval.py [--quick] [--json] [--cranfield DIRECTORY]

Three simulations with one set of parameters, after the paper on retrieval with source reliabilities (arXiv 2511.07577):
six sources with 0 to 100 % of their copies wrong, of which five are asked and two passages are shown to a synthetic
reader; `docs/retrieval/README.md` says what is simulated. `--cranfield` names a directory with the Cranfield collection
(cran.all.1400, cran.qry, cranqrel), which is not part of Merit.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
from report import Row, figure, parser, report

from scoring.retrieval import Passage, Shown, Standings, merged
from scoring.retrieval.merging import fused
from scoring.retrieval.metrics import ndcg
from scoring.retrieval.search import PassageIndex

POLLUTION = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
SOURCES = [str(number) for number in range(len(POLLUTION))]
FACTS, QUERIES, ASKED, SHOWN, WRONG_ANSWERS = 3197, 2000, 5, 2, 5
TURN = 1000
Answer: TypeAlias = int | str
Question = TypeVar("Question")
SEEDS, QUICK_SEEDS = 20, 3


@dataclass(frozen=True)
class Scenario:
    """document_level: each fact is held by one source only. turns: the best source is wholly wrong from TURN on."""

    name: str
    document_level: bool
    turns: bool
    judged: range
    target: float
    published: float  # by the rule as published in code


SCENARIOS = (
    Scenario("token level", False, False, range(500, QUERIES), 0.90, 0.846),
    Scenario("document level", True, False, range(500, QUERIES), 0.50, 0.318),
    Scenario("300 queries after the best source turns bad", False, True, range(TURN, TURN + 300), 0.68, 0.266),
)


class World(Protocol[Question]):
    """What is asked, what the sources find, and what a reader takes from it."""

    def draw(self, random: np.random.Generator) -> Question:
        """A question."""

    def right(self, question: Question) -> Answer:
        """Its answer."""

    def search(
        self, question: Question, asked: Sequence[str], turned: bool, random: np.random.Generator
    ) -> dict[Passage, Answer | None]:
        """What the asked sources find, with the answer that is read there; None where a passage does not cover it.

        turned: whether the best source is wholly wrong by now.
        """

    def guess(self, random: np.random.Generator) -> Answer:
        """What a reader says to whom nothing gives an answer."""

    def importance(self, grounded: bool, random: np.random.Generator) -> float:
        """Of a passage that was shown for the answer, from 0 to 1."""


def accuracy(
    scenario: Scenario,
    world: World[Question],
    randoms: Callable[[int], np.random.Generator],
    choosing: np.random.Generator,
    *,
    reliability: bool,
) -> float:
    """Part of the judged queries that are answered rightly: by reliability, or all asked and ordered by relevance.

    randoms: what a query is drawn, searched and read by. choosing: what chooses whom to ask.
    """
    standings, right = Standings(dict.fromkeys(SOURCES, 0.5)), []
    for query in range(QUERIES):
        random = randoms(query)
        question = world.draw(random)
        asked = standings.choose(ASKED, choosing) if reliability else SOURCES
        said = world.search(question, asked, scenario.turns and query >= TURN, random)
        passages = merged({source: [passage for passage in said if passage.source == source] for source in asked})
        kept = (standings.ranked(passages) if reliability else passages)[:SHOWN]
        answer = read([said[passage] for passage in kept], world, random)
        correct = answer == world.right(question)
        right.append(correct)
        shown = []
        for passage in kept:
            grounded = said[passage] == answer
            shown.append(Shown(passage, grounded, world.importance(grounded, random)))
        standings.learn(passages, shown, correct=correct)
    return fmean(right[query] for query in scenario.judged)


def read(offered: list[Answer | None], world: World[Question], random: np.random.Generator) -> Answer:
    """A reader's answer from what two passages say: it prefers the first, and is distracted now and then."""
    covering = [answer for answer in offered if answer is not None]
    prefers_top, distracted = random.random() < 0.75, random.random() < 0.05
    if distracted or not covering:
        return world.guess(random)
    return covering[0] if prefers_top else covering[-1]


class Simulated:
    """A question is the number of a fact; its right answer is 0."""

    def __init__(self, scenario: Scenario, random: np.random.Generator) -> None:
        wrong = random.random((FACTS, len(SOURCES))) < POLLUTION
        self._copies = np.where(wrong, random.integers(1, 1 + WRONG_ANSWERS, wrong.shape), 0)
        self._owners = random.integers(len(SOURCES), size=FACTS)
        self._turned = random.integers(1, 1 + WRONG_ANSWERS, FACTS)
        self._document_level = scenario.document_level

    def draw(self, random: np.random.Generator) -> int:
        return int(random.integers(FACTS))

    def right(self, question: int) -> Answer:
        return 0

    def search(
        self, question: int, asked: Sequence[str], turned: bool, random: np.random.Generator
    ) -> dict[Passage, Answer | None]:
        said = {}
        for source in asked:
            number = int(source)
            holds = not self._document_level or self._owners[question] == number
            copy = self._turned[question] if turned and number == 0 else self._copies[question, number]
            # Only the scale of the noise, not that of the sources, is known to the rule.
            relevance = float(np.clip(random.normal(0.8 if holds else 0.35, 0.08), 0, 1))
            said[Passage(source, b"", relevance)] = int(copy) if holds else None
        return said

    def guess(self, random: np.random.Generator) -> Answer:
        return 0 if random.random() < 0.15 else int(random.integers(1, 1 + WRONG_ANSWERS))

    def importance(self, grounded: bool, random: np.random.Generator) -> float:
        return min(1.0, abs(random.normal(0.35, 0.15) if grounded else random.normal(0.05, 0.03)))


def simulated(scenario: Scenario, seed: int, *, reliability: bool) -> float:
    """The accuracy in the simulation."""
    random = np.random.default_rng([seed, SCENARIOS.index(scenario)])
    return accuracy(scenario, Simulated(scenario, random), lambda _: random, random, reliability=reliability)


def simulations(seeds: int) -> Iterator[Row]:
    for scenario in SCENARIOS:
        plain = [simulated(scenario, seed, reliability=False) for seed in range(seeds)]
        ours = [simulated(scenario, seed, reliability=True) for seed in range(seeds)]
        found = figure(f"accuracy, {scenario.name}", fmean(ours), "", scenario.target, higher_is_better=True)
        better = found.value / scenario.published
        yield replace(found, peer="published rule", peer_value=scenario.published, ratio=better)
        yield figure(f"standard error over {seeds} seeds, {scenario.name}", stdev(ours) / seeds**0.5, "")
        yield figure(f"accuracy by relevance only, {scenario.name}", fmean(plain), "")
        gain = fmean(ours) - fmean(plain)
        yield figure(f"gain over relevance only, {scenario.name}", gain, "", 0.0, higher_is_better=True)


def records(path: Path) -> list[str]:
    return re.split(r"^\.I \d+\n", path.read_text(encoding="latin-1"), flags=re.MULTILINE)[1:]


def cranfield(folder: Path) -> Iterator[Row]:
    """Titles and abstracts; every judgement but -1 counts as relevant."""
    passages = [re.sub(r"^\.A\n.*?^\.W\n", "", each, flags=re.M | re.S) for each in records(folder / "cran.all.1400")]
    queries = [each.split(".W\n", 1)[1] for each in records(folder / "cran.qry")]
    grades: list[dict[int, int]] = [{} for _ in queries]
    for line in (folder / "cranqrel").read_text().splitlines():
        query, passage, code = map(int, line.split())
        if code != -1:
            grades[query - 1][passage - 1] = 1
    started = time.process_time()
    index = PassageIndex(passages)
    yield figure(f"Cranfield: index of {len(passages):,} passages", time.process_time() - started, "s")
    started = time.process_time()
    scores = [(index.word_scores(query), index.meaning_scores(query)) for query in queries]
    yield figure("Cranfield: both scores of a query", 1000 * (time.process_time() - started) / len(queries), "ms")
    for name, column, target in (
        ("BM25", [words for words, _ in scores], 0.375),
        ("latent semantic analysis", [meaning for _, meaning in scores], 0.407),
        ("both fused", [fused(both) for both in scores], 0.407),
    ):
        rankings = [np.argsort(-each, kind="stable")[:10].tolist() for each in column]
        quality = fmean(ndcg(ranking, known, 10) for ranking, known in zip(rankings, grades, strict=True))
        yield figure(f"Cranfield: nDCG@10, {name}", quality, "", target, higher_is_better=True)


def measured(options: argparse.Namespace) -> Iterator[Row]:
    yield from simulations(QUICK_SEEDS if options.quick else SEEDS)
    if options.cranfield is None:
        print("Cranfield is left out: name the directory that holds it with --cranfield.", file=sys.stderr)
    else:
        yield from cranfield(options.cranfield)


def main() -> None:
    made = parser(__doc__, f"{QUICK_SEEDS} seeds")
    made.add_argument("--cranfield", type=Path, metavar="DIRECTORY", help="where the Cranfield collection is")
    options = made.parse_args()
    if options.cranfield is not None and not (options.cranfield / "cranqrel").is_file():
        made.error(f"{options.cranfield} does not hold cran.all.1400, cran.qry and cranqrel")
    report(options, lambda: measured(options))


if __name__ == "__main__":
    main()
