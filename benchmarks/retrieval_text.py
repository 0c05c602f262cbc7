"""The scenarios of `benchmarks/retrieval.py` over real text: documentation in which some sources have changed values.

    python benchmarks/retrieval_text.py [--quick] [--json]

What installed libraries say of the parameters of their functions is dealt out to six sources, each of which cuts it in
its own way, has documents of its own besides, and is searched by the index that sources use. Questions are for the
default of a parameter; 0 to 100 % of a source's defaults are replaced by other numbers in its text. A reader takes an
answer out of the text of a passage, if that names the function and gives a default of the parameter.
"""

import argparse
import ast
import re
import sysconfig
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from report import Row, figure, parser, report
from retrieval import (
    POLLUTION,
    QUICK_SEEDS,
    SCENARIOS,
    SEEDS,
    SHOWN,
    SOURCES,
    WRONG_ANSWERS,
    Answer,
    Scenario,
    accuracy,
)

from scoring.retrieval import Passage
from scoring.retrieval.reliability import USUAL_CREDIT
from scoring.retrieval.search import PassageIndex

LIBRARIES = ("numpy", "scipy", "sklearn", "networkx")
# Of each seed: functions that are asked about, and documents that each source has besides.
FUNCTIONS, OTHERS = 150, 150
# Parameters to a passage: by so many each of the sources cuts its documents.
CUTS = (1, 1, 2, 2, 3, 3)
# The gain over relevance only that is the target where the pollution is that of single facts.
GAINS = (0.10, 0.0, 0.10)
_LONGEST = 600
_PARAMETER = re.compile(r"^(\w+) ?: ?.*(?:\n[ \t]+.*|\n(?=\n[ \t]))*", re.MULTILINE)
_DEFAULT = re.compile(r"\bdefault(?:s to|s| is| value is)?[ :=`'\"(]*(-?\d+(?:\.\d+)?(?:e-?\d+)?)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Function:
    """name: as a question names it. parameters: what is said of each."""

    name: str
    summary: str
    parameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Fact:
    """The default of a parameter, as text."""

    function: Function
    parameter: str
    value: str

    @property
    def question(self) -> str:
        return f"What is the default of {self.parameter} in {self.function.name}?"


def docstrings(folder: Path) -> Iterator[tuple[str, str]]:
    """Names and docstrings of all public functions and classes below a folder; nothing is imported."""
    for path in sorted(folder.rglob("*.py")):
        if {"test", "tests", "site-packages"} & set(path.parts[len(folder.parts) :]):
            continue
        try:
            waiting: list[tuple[str, ast.AST]] = [("", ast.parse(path.read_text("utf-8")))]
        except (SyntaxError, ValueError):  # examples of what does not parse
            continue
        while waiting:
            outer, node = waiting.pop()
            for inner in ast.iter_child_nodes(node):
                if isinstance(inner, ast.FunctionDef | ast.ClassDef) and not inner.name.startswith("_"):
                    name = f"{outer}.{inner.name}".lstrip(".")
                    waiting.append((name, inner))
                    told = ast.get_docstring(inner)
                    if told is not None:
                        yield name, told


@cache
def functions() -> tuple[Function, ...]:
    """All functions of LIBRARIES of which a default is told that is a number, each name once."""
    found: dict[str, Function] = {}
    for library in LIBRARIES:
        spec = find_spec(library)
        assert spec is not None, f"{library} is missing; install the extra `dev`"
        assert spec.origin is not None
        for name, told in docstrings(Path(spec.origin).parent):
            parameters = [(match[1], joined(match[0])) for match in _PARAMETER.finditer(told)]
            kept = tuple(dict(one for one in parameters if len(one[1]) <= _LONGEST).items())
            if any(default(entry) is not None for _, entry in kept):
                found.setdefault(name, Function(name, joined(told.split("\n\n")[0]), kept))
    return tuple(found.values())


@cache
def others() -> tuple[str, ...]:
    """What the standard library's documentation says of its functions."""
    told = docstrings(Path(sysconfig.get_paths()["stdlib"]))
    return tuple(f"{name}: {joined(text)[:_LONGEST]}" for name, text in told)


def joined(text: str) -> str:
    return " ".join(text.split())


def default(entry: str) -> str | None:
    """The number that an entry gives as default; None where it gives none, or different ones."""
    values = set(_DEFAULT.findall(entry))
    return values.pop() if len(values) == 1 else None


def extracted(fact: Fact, passage: str) -> str | None:
    """What an honest reader answers from a passage: None where it does not tell."""
    heading, *entries = passage.split("\n")
    if heading.partition(":")[0] != fact.function.name:
        return None
    told = [entry for entry in entries if entry.partition(":")[0].strip() == fact.parameter]
    return default(told[0]) if told else None


class Shelf:
    """One source's passages, and what was found in them."""

    def __init__(self, passages: Sequence[str]) -> None:
        self._passages = passages
        self._index = PassageIndex(passages)
        self._found: dict[Fact, list[tuple[bytes, float, str | None]]] = {}

    def search(self, fact: Fact) -> list[tuple[bytes, float, str | None]]:
        """Digest, relevance, and what is read there, of each passage."""
        if fact not in self._found:
            matches = self._index.search(fact.question, SHOWN)
            texts = [self._passages[match.position] for match in matches]
            self._found[fact] = [
                (sha256(text.encode()).digest(), match.relevance, extracted(fact, text))
                for match, text in zip(matches, texts, strict=True)
            ]
        return self._found[fact]


class Documentation:
    """The sources of one seed; see `retrieval.World`."""

    def __init__(self, seed: int, *, document_level: bool) -> None:
        random = np.random.default_rng([seed, document_level])
        drawn = [functions()[i] for i in random.choice(len(functions()), FUNCTIONS, replace=False)]
        self._facts = [
            Fact(function, parameter, value)
            for function in drawn
            for parameter, entry in function.parameters
            if (value := default(entry)) is not None
        ]
        self._values = sorted({fact.value for fact in self._facts})
        owners = random.integers(len(SOURCES), size=len(drawn))
        # By number a source is neither better nor cut finer: ties are broken by it.
        pollution, cuts = random.permutation(POLLUTION), random.permutation(CUTS)
        self._best = SOURCES[int(pollution.argmin())]
        self._shelves = {}
        for number, source in enumerate(SOURCES):
            held = [one for one, owner in zip(drawn, owners, strict=True) if not document_level or owner == number]
            texts = self._cut(held, int(cuts[number]), float(pollution[number]), random)
            own = [others()[i] for i in random.choice(len(others()), OTHERS, replace=False)]
            self._shelves[source] = Shelf([*texts, *own])
            if source == self._best:
                self._turned = Shelf([*self._cut(held, int(cuts[number]), 1.0, random), *own])

    def _cut(self, held: Sequence[Function], cut: int, pollution: float, random: np.random.Generator) -> list[str]:
        """Passages of `cut` parameters, in which so large a part of the defaults is replaced."""
        texts = []
        for function in held:
            entries = []
            for _, entry in function.parameters:
                value = default(entry)
                if value is not None and random.random() < pollution:
                    entries.append(changed(entry, value, self._wrong(value, random)))
                else:
                    entries.append(entry)
            places = [*range(0, len(entries), cut), len(entries)]
            texts += ["\n".join([f"{function.name}: {function.summary}", *entries[a:b]]) for a, b in pairwise(places)]
        return texts

    def _wrong(self, value: str, random: np.random.Generator) -> str:
        """One of a few other numbers, those that come next: two wrong copies may be the same."""
        at = self._values.index(value)
        return self._values[(at + int(random.integers(1, 1 + WRONG_ANSWERS))) % len(self._values)]

    def draw(self, random: np.random.Generator) -> Fact:
        return self._facts[random.integers(len(self._facts))]

    def right(self, question: Fact) -> Answer:
        return question.value

    def search(
        self, question: Fact, asked: Sequence[str], turned: bool, random: np.random.Generator
    ) -> dict[Passage, Answer | None]:
        said: dict[Passage, Answer | None] = {}
        for source in asked:
            shelf = self._turned if turned and source == self._best else self._shelves[source]
            for digest, relevance, value in shelf.search(question):
                said[Passage(source, digest, relevance)] = value
        return said

    def guess(self, random: np.random.Generator) -> Answer:
        return self._facts[random.integers(len(self._facts))].value

    def importance(self, grounded: bool, random: np.random.Generator) -> float:
        """As the committee of a network takes it, which cannot see more than what an answer rests on."""
        return USUAL_CREDIT if grounded else 0.0


def changed(entry: str, value: str, wrong: str) -> str:
    """The entry with another default."""
    return _DEFAULT.sub(lambda match: match[0][: match.start(1) - match.start()] + wrong, entry)


def compared(scenario: Scenario, world: Documentation, seed: int) -> tuple[float, float]:
    """Accuracy by relevance only and by reliability, of the same questions to the same reader in the same moods."""
    which = SCENARIOS.index(scenario)
    plain, ours = (
        accuracy(
            scenario,
            world,
            lambda query: np.random.default_rng([seed, which, query]),
            np.random.default_rng([seed, which]),
            reliability=reliability,
        )
        for reliability in (False, True)
    )
    return plain, ours


def measured(options: argparse.Namespace) -> Iterator[Row]:
    seeds = QUICK_SEEDS if options.quick else SEEDS
    found: list[list[tuple[float, float]]] = [[] for _ in SCENARIOS]
    for seed in range(seeds):
        worlds = {level: Documentation(seed, document_level=level) for level in (False, True)}
        for column, scenario in zip(found, SCENARIOS, strict=True):
            column.append(compared(scenario, worlds[scenario.document_level], seed))
    for column, scenario, least in zip(found, SCENARIOS, GAINS, strict=True):
        plain, ours = zip(*column, strict=True)
        gains = [b - a for a, b in column]
        yield figure(f"real text: accuracy, {scenario.name}", fmean(ours), "")
        yield figure(f"real text: accuracy by relevance only, {scenario.name}", fmean(plain), "")
        yield figure(f"real text: gain, {scenario.name}", fmean(gains), "", least, higher_is_better=True)
        yield figure(f"real text: least gain of a seed, {scenario.name}", min(gains), "")
        yield figure(f"real text: standard error of the gain, {scenario.name}", stdev(gains) / seeds**0.5, "")


def main() -> None:
    """Exits with 1 when a target is missed."""
    options = parser(__doc__, f"{QUICK_SEEDS} seeds").parse_args()
    report(options, lambda: measured(options))


if __name__ == "__main__":
    main()
