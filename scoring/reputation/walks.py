"""Sampled walks that anybody can draw again: a walk is a pure function of the random seed and the graph."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.reputation.alias import CHOICE, Choices, chosen, fill_choices
from scoring.reputation.compiled import compiled
from scoring.reputation.transition import Floats, Ints, Rows, Transition

Words = NDArray[np.uint64]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
WALK = np.uint64(0xD1B54A32D192ED03)
UNIT = 2.0**-53
TOGETHER = 256  # walks that are drawn side by side; their nodes stay in the first cache


@compiled
def mixed(word: np.uint64) -> np.uint64:
    """The finaliser of splitmix64."""
    word = (word ^ (word >> np.uint64(30))) * MIX_1
    word = (word ^ (word >> np.uint64(27))) * MIX_2
    return word ^ (word >> np.uint64(31))


@compiled
def uniform(draw: np.uint64) -> float:
    """A number in [0, 1), a multiple of 2^-53. By way of a signed integer, which is the faster conversion."""
    return np.float64(np.int64(mixed(draw) >> np.uint64(11))) * UNIT


@compiled
def draw_walks(draws: Words, starts: Ints, rows: Rows, choices: Choices, stop: float) -> tuple[Ints, NDArray[np.int32]]:
    """Walks by their random words: where each begins in the second array, shape (k + 1,), and the nodes it passes.

    Many walks take a step before any takes the next: a single one would wait for memory at every step. Nothing in the
    loop over them branches on a number that was drawn.
    """
    begin = np.zeros(draws.size + 1, np.int64)
    passed = np.empty(1024 + int(2 * draws.size / stop), np.int32)
    size, stretch = 0, 1.0 / (1.0 - stop)
    which, draw, here = np.empty(TOGETHER, np.int64), np.empty(TOGETHER, np.uint64), np.empty(TOGETHER, np.int64)
    seen, steps = np.empty((64, TOGETHER), np.int32), np.empty(TOGETHER, np.int64)
    for block in range(0, draws.size, TOGETHER):
        count = min(TOGETHER, draws.size - block)
        for walk in range(count):
            which[walk], draw[walk], here[walk] = walk, draws[block + walk], starts[block + walk]
        step, walking = 0, count
        while walking > 0:
            if step == seen.shape[0]:
                seen = np.concatenate((seen, np.empty_like(seen)))
            step += 1
            kept = 0
            for at in range(walking):
                walk, node, word = which[at], here[at], draw[at] + GOLDEN
                seen[step - 1, walk], steps[walk] = node, step
                first, length = rows.begin[node], rows.end[node] - rows.begin[node]
                chance = uniform(word)
                goes_on = (chance >= stop) & (length > 0)
                # What is left of the number is as uniform as it was.
                left = max(chance - stop, 0.0) * stretch
                here[kept] = chosen(choices, first if goes_on else 0, length if goes_on else 1, left)
                which[kept], draw[kept] = walk, word
                kept += goes_on
            walking = kept
        for walk in range(count):
            if size + step > passed.size:
                passed = np.concatenate((passed, np.empty(passed.size + step, np.int32)))
            for at in range(steps[walk]):
                passed[size + at] = seen[at, walk]
            size += steps[walk]
            begin[block + walk + 1] = size
    return begin, passed[:size]


@compiled
def draw_starts(draws: Words, seeds: Choices) -> Ints:
    """Where walks with these random words start, by the alias table of the virtual seed."""
    starts = np.empty(draws.size, np.int64)
    for which in range(draws.size):
        starts[which] = chosen(seeds, 0, seeds.size, uniform(draws[which]))
    return starts


@compiled
def walk_draws(numbers: Ints, random_seed: np.uint64) -> Words:
    """The random words that walks begin with."""
    draws = np.empty(numbers.size, np.uint64)
    for which in range(numbers.size):
        draws[which] = mixed(random_seed ^ (np.uint64(numbers[which]) * WALK))
    return draws


@compiled
def count_passed(n: int, begin: Ints, passed: NDArray[np.int32]) -> tuple[Ints, Ints]:
    """For each of `n` nodes: how often it was passed, and by how many walks."""
    visits = np.zeros(n, np.int64)
    reached = np.zeros(n, np.int64)
    last = np.full(n, -1, np.int64)
    for walk in range(begin.size - 1):
        for at in range(begin[walk], begin[walk + 1]):
            node = passed[at]
            visits[node] += 1
            if last[node] != walk:
                last[node] = walk
                reached[node] += 1
    return visits, reached


@compiled
def touched(begin: Ints, passed: NDArray[np.int32], changed: NDArray[np.bool_]) -> Ints:
    """The walks that left a node whose row has changed, by position in `begin`."""
    found = []
    for walk in range(begin.size - 1):
        for at in range(begin[walk], begin[walk + 1]):
            if changed[passed[at]]:
                found.append(walk)
                break
    return np.array(found, np.int64) if found else np.empty(0, np.int64)


@compiled
def replaced(
    begin: Ints, passed: NDArray[np.int32], which: Ints, new_begin: Ints, new_passed: NDArray[np.int32]
) -> tuple[Ints, NDArray[np.int32]]:
    """The walks with the `which[i]`-th replaced by the `i`-th new one."""
    size = passed.size + new_passed.size
    for walk in which:
        size -= begin[walk + 1] - begin[walk]
    result_begin = np.zeros_like(begin)
    result = np.empty(size, np.int32)
    new = 0
    for walk in range(begin.size - 1):
        if new < which.size and which[new] == walk:
            source, first_at, last_at = new_passed, new_begin[new], new_begin[new + 1]
            new += 1
        else:
            source, first_at, last_at = passed, begin[walk], begin[walk + 1]
        at = result_begin[walk]
        result_begin[walk + 1] = at + last_at - first_at
        result[at : at + last_at - first_at] = source[first_at:last_at]
    return result_begin, result


@dataclass(frozen=True, eq=False)
class Walks:
    """The walks 0 .. k-1 from one source.

    One number, `H(random_seed, k, t)`, decides step `t` of walk `k`: it stops below `stop`; above, the number falls to
    one edge by the alias table of the row, which is in the order of the targets' keys. So two graphs give the same
    walk unless it leaves a node whose row differs, and drawing those walks again gives what drawing all of them would,
    bit for bit.
    """

    transition: Transition
    source: Floats
    random_seed: int
    stop: float
    begin: Ints  # (k + 1,)
    passed: NDArray[np.int32]  # positions

    @classmethod
    def draw(cls, transition: Transition, source: Floats, count: int, random_seed: int, stop: float) -> "Walks":
        walks = np.arange(count)
        return cls(transition, source, random_seed, stop, *cls._drawn(walks, transition, source, random_seed, stop))

    def carried_to(self, transition: Transition, source: Floats) -> "Walks":
        """The same for a changed graph."""
        count = self.begin.size - 1
        if not transition.same_positions(self.transition):
            return Walks.draw(transition, source, count, self.random_seed, self.stop)
        added = transition.node_count - self.transition.node_count
        before, after = self.transition.rows, transition.rows
        changed = (np.pad(before.begin, (0, added)) != after.begin) | (np.pad(before.end, (0, added)) != after.end)
        again = touched(self.begin, self.passed, changed)
        drawn = self._drawn(again, transition, source, self.random_seed, self.stop)
        kept = replaced(self.begin, self.passed, again, *drawn)
        return Walks(transition, source, self.random_seed, self.stop, *kept)

    def counts(self) -> tuple[Ints, Ints]:
        """Visits to each node, and walks that reach it, each of shape (n,)."""
        return count_passed(self.transition.node_count, self.begin, self.passed)

    @property
    def nbytes(self) -> int:
        """Memory held for this source alone."""
        rows = self.transition.rows
        return self.source.nbytes + self.begin.nbytes + self.passed.nbytes + rows.begin.nbytes + rows.end.nbytes

    @staticmethod
    def _drawn(
        numbers: Ints, transition: Transition, source: Floats, random_seed: int, stop: float
    ) -> tuple[Ints, NDArray[np.int32]]:
        draws = walk_draws(numbers, np.uint64(random_seed))
        seeds = np.flatnonzero(source)
        seeds = seeds[np.argsort(transition.key[seeds], kind="stable")]
        choices = np.zeros(seeds.size, CHOICE)
        fill_choices(np.array([0]), np.array([seeds.size]), seeds.astype(np.int32), source[seeds], choices)
        return draw_walks(draws, draw_starts(draws, choices), transition.rows, transition.choices, stop)
