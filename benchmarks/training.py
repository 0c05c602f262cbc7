"""The valuation of training against its targets, pyDVL, and attackers.

    python benchmarks/training.py [--quick] [--json]

`--quick` leaves out the peer, which needs an environment of its own, and all but the chosen aggregation. Times are
processor time of one thread, the best of several runs. All on the digits of scikit-learn.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from peer import run_peer
from report import Row, figure, parser, report
from sklearn.datasets import load_digits

from scoring.shapley import Coalitions, exact_shapley
from scoring.training.aggregation import Aggregation, Krum, TrimmedMean, centered_clip, coordinate_median, mean
from scoring.training.loss_scores import loss_deltas
from scoring.training.models import Floats, Rows, Values
from scoring.training.payout import payout
from scoring.training.perceptron import Perceptron
from scoring.training.rounds import Update, value_round
from scoring.training.shapley import kernel_shapley, reconstruction_game
from verifier.training.local_update import descend, initial_parameters
from verifier.training.simulation import (
    ALL_ATTACKS,
    LABEL_FLIP,
    LAZY,
    Dataset,
    digits_dataset,
    dirichlet_split,
    even_split,
    simulate,
)

WIDTHS = (64, 32, 10)
# Ten clients, each with this fraction of its labels drawn at random.
LABEL_NOISE = (0, 0, 0, 0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
# Values from training all 1,024 coalitions again, by another program, with another draw of the noise.
RETRAINED = (0.3634, 0.3646, 0.3342, 0.3348, 0.2769, 0.1705, 0.0131, -0.0395, -0.1310, -0.2432)
# Error of paired KernelSHAP at 100 evaluations in another program, with another draw of the noise.
KERNEL_ERROR = 0.146
PEER_PACKAGES = ("pydvl==0.10.0",)
TRAINERS, ATTACKERS, ROUNDS, SEEDS = 10, 3, 8, 3
# Attackers who do not do the same: three of ten, and four, of which nothing is promised.
MIXTURES = (
    ("sign flip", LABEL_FLIP, "copy"),
    ("ALIE", "scaled", "free rider"),
    ("DMPA-like", "DMPA-like", "noise"),
    ("sign flip", LABEL_FLIP, "copy", "noise"),
    ("ALIE", "ALIE", "DMPA-like", "DMPA-like"),
    ("ALIE", "copy with noise", "scaled", "free rider"),
)

AGGREGATIONS: dict[str, Aggregation] = {
    "mean": mean,
    "coordinate median": coordinate_median,
    "trimmed mean": TrimmedMean(),
    "Krum": Krum(),
    "CenteredClip": centered_clip,
}


def processor_seconds(call: Callable[[], Any], repeats: int = 5) -> float:
    best = float("inf")
    for _ in range(repeats):
        started = time.process_time()
        call()
        best = min(best, time.process_time() - started)
    return best


@dataclass(frozen=True)
class History:
    """Ten rounds of plain averaging with ten clients of rising label noise, judged on 360 other samples."""

    features: Floats
    labels: Rows
    bases: Floats
    updates: Floats

    @property
    def model(self) -> Perceptron:
        return Perceptron(WIDTHS, self.features, self.labels)


@dataclass(frozen=True)
class Clients:
    """Ten clients' rows of the digits, whose labels are partly wrong; and the 360 samples that all are judged on."""

    student: Perceptron
    judge: Perceptron
    parts: list[Rows]

    def updates(self, base: Floats, number: int, members: Rows) -> Floats:
        """What the members send in round `number`, each the same whoever the others are."""
        return np.array(
            [
                descend(
                    self.student,
                    base,
                    self.parts[member],
                    np.random.default_rng([number, member]),
                    epochs=2,
                    batch=32,
                    rate=0.2,
                )
                for member in members
            ]
        )


def noisy_clients() -> Clients:
    digits = load_digits()
    random = np.random.default_rng(0)
    order = random.permutation(len(digits.target))
    features, labels = digits.data[order] / 16, digits.target[order].astype(np.int64)
    noisy = labels.copy()
    parts = np.array_split(np.arange(1437), len(LABEL_NOISE))
    for part, noise in zip(parts, LABEL_NOISE, strict=True):
        drawn = random.random(len(part)) < noise
        noisy[part[drawn]] = random.integers(0, 10, drawn.sum())
    return Clients(Perceptron(WIDTHS, features, noisy), Perceptron(WIDTHS, features[1437:], labels[1437:]), parts)


def noisy_history() -> History:
    clients = noisy_clients()
    base, bases, updates = initial_parameters(clients.student, 0), [], []
    for number in range(10):
        bases.append(base)
        updates.append(clients.updates(base, number, np.arange(10)))
        base = base + updates[-1].mean(axis=0)
    return History(clients.judge.features, clients.judge.labels, np.array(bases), np.array(updates))


def again(history: History, exact: Values) -> Iterator[Row]:
    """Values from training every coalition from the start, which is what the values of the rounds stand for."""
    clients = noisy_clients()

    def worth(coalitions: Coalitions) -> Values:
        found = []
        for coalition in coalitions:
            parameters = history.bases[0]
            for number in range(10 if coalition.any() else 0):
                parameters = parameters + clients.updates(parameters, number, np.flatnonzero(coalition)).mean(axis=0)
            found.append(-clients.judge.losses(parameters, history.updates[0][:1], np.zeros((1, 1))).mean())
        return np.array(found)

    started = time.process_time()
    retrained = exact_shapley(worth, len(LABEL_NOISE))
    yield Row("training 1,024 coalitions again", time.process_time() - started, "s")
    agreement = float(np.corrcoef(exact.sum(axis=0), retrained)[0, 1])
    yield Row("agreement with training 1,024 coalitions again, pearson", agreement, "", 0.99, agreement >= 0.99)
    other = float(np.corrcoef(exact.sum(axis=0), RETRAINED)[0, 1])
    yield Row("agreement with that of another program and draw of noise, pearson", other, "")


def exact_values(history: History) -> Values:
    weights = np.ones(len(LABEL_NOISE), history.updates.dtype)
    return np.array(
        [
            exact_shapley(reconstruction_game(history.model, base, updates, weights), len(weights))
            for base, updates in zip(history.bases, history.updates, strict=True)
        ]
    )


def single_precision(history: History) -> History:
    features, bases, updates = (
        numbers.astype(np.float32) for numbers in (history.features, history.bases, history.updates)
    )
    return History(features, history.labels, bases, updates)


def values(quick: bool) -> Iterator[Row]:
    history = noisy_history()
    exact = exact_values(history)
    single = single_precision(history)
    name = "exact values, 10 trainers x 10 rounds, 2,410 weights"
    double = Row(f"{name}, double precision", processor_seconds(lambda: exact_values(history)), "s")
    fast = figure(f"{name}, single precision", processor_seconds(lambda: exact_values(single)), "s", 0.5)
    error = figure(
        "exact values: largest error in single precision", float(np.abs(exact_values(single) - exact).max()), "", 1e-6
    )
    if quick:
        yield from (double, fast, error)
    else:
        other = run_peer("training", PEER_PACKAGES, hidden=WIDTHS[1], **asdict(history))  # pyDVL
        for row in (double, fast):
            yield replace(row, peer="pyDVL", peer_value=other["seconds"], ratio=other["seconds"] / row.value)
        yield error
        difference = np.abs(np.array(other["values"]) - exact).max()
        yield figure("exact values: largest difference to pyDVL", float(difference), "", 1e-9)
    if not quick:
        yield from again(history, exact)
    yield kernel_error(history, exact)
    yield from growth(history)


def kernel_error(history: History, exact: Values) -> Row:
    """Mean relative error over the rounds and 40 seeds, at 100 evaluations."""
    errors = []
    for base, updates, known in zip(history.bases, history.updates, exact, strict=True):
        game = reconstruction_game(history.model, base, updates, np.ones(len(known)))
        for seed in range(4):
            found = kernel_shapley(game, len(known), pairs=49, seed=seed).values
            errors.append(np.linalg.norm(found - known) / np.linalg.norm(known))
    name, error = "sampled values at 100 evaluations: relative error", float(np.mean(errors))
    return Row(name, error, "", peer="paired KernelSHAP", peer_value=KERNEL_ERROR, ratio=KERNEL_ERROR / error)


def growth(history: History) -> Iterator[Row]:
    """LossScore on everyone: 4 times the trainers should take 4 times as long."""
    base, first = history.bases[0], history.updates[0]
    random = np.random.default_rng(0)
    taken = {}
    for count in (200, 800):
        updates = first[random.integers(0, 10, count)] + 0.01 * random.standard_normal((count, len(base)))
        taken[count] = processor_seconds(partial(loss_deltas, history.model, base, updates))
        yield Row(f"LossScore of {count} trainers", 1000 * taken[count], "ms")
    yield figure("LossScore: time of 800 trainers over that of 200", taken[800] / taken[200], "x", 5)


@dataclass(frozen=True)
class Damage:
    """What attackers do, in means over several seeds: points of accuracy, their pay, and the pay of others, in %."""

    accuracy_lost: float
    attackers_pay: float
    honest_pay_lost: float


def damage(data: Dataset, split: str, attackers: Sequence[str], rule: Aggregation, seeds: int) -> Damage:
    """Of attackers who come to as many trainers as make ten with them, compared with a round without them."""
    honest, found = TRAINERS - len(attackers), []
    for seed in range(seeds):
        own = even_split(data, TRAINERS, seed) if split == "i.i.d." else dirichlet_split(data, TRAINERS, 0.1, seed)
        attacks: list[str | None] = [None] * honest
        clean = simulate(data, own[:honest], attacks, rounds=ROUNDS, seed=seed, aggregation=rule)
        with_them = simulate(data, own, [*attacks, *attackers], rounds=ROUNDS, seed=seed, aggregation=rule)
        found.append(
            (
                100 * (clean.accuracy - with_them.accuracy),
                100 * sum(with_them.paid[honest:]) / ROUNDS,
                100 * (1 - sum(with_them.paid[:honest]) / max(sum(clean.paid), 1e-9)),
            )
        )
    return Damage(*np.mean(found, axis=0).tolist())


def attacks(quick: bool) -> Iterator[Row]:
    """Three attackers among ten who do the same, for each aggregation."""
    data, seeds = digits_dataset(), 1 if quick else SEEDS
    for rule_name, rule in AGGREGATIONS.items():
        if quick and rule is not centered_clip:
            continue
        promised = rule is centered_clip
        for split, attack in product(("i.i.d.", "Dirichlet(0.1)"), ALL_ATTACKS):
            done = damage(data, split, [attack] * ATTACKERS, rule, seeds)
            paid_target = 5 if promised and attack != LAZY else None
            yield from damages(f"{rule_name}, {split}, {attack}", done, 2 if promised else None, paid_target)


def mixtures(quick: bool) -> Iterator[Row]:
    """Attackers who do not do the same, by the chosen aggregation."""
    data, seeds = digits_dataset(), 1 if quick else SEEDS
    for split, attackers in product(("i.i.d.", "Dirichlet(0.1)"), MIXTURES):
        done = damage(data, split, attackers, centered_clip, seeds)
        promised = len(attackers) <= ATTACKERS
        name = f"{len(attackers)} of {TRAINERS}, {split}, {' + '.join(attackers)}"
        yield from damages(name, done, 2 if promised else None, 5 if promised else None)


def damages(where: str, done: Damage, accuracy_target: float | None, paid_target: float | None) -> Iterator[Row]:
    """A row for each figure."""
    yield figure(f"{where}: accuracy lost", done.accuracy_lost, "points", accuracy_target)
    yield figure(f"{where}: attackers' pay", done.attackers_pay, "%", paid_target)
    yield Row(f"{where}: pay lost by the honest", done.honest_pay_lost, "%")


def splitting() -> Iterator[Row]:
    """What a trainer gains that sends its one update under k names, each a little changed."""
    history, random = noisy_history(), np.random.default_rng(0)
    model, base = history.model, history.bases[0]
    deltas = list(history.updates[0])
    proven = {f"{i:02}": 10.0 for i in range(10 + 3)}

    def share(sent: list[Floats]) -> float:
        updates = [Update(f"{i:02}", delta, i, np.arange(10 * i, 10 * i + 10)) for i, delta in enumerate(sent)]
        found = value_round(model.on, np.arange(360), base, updates, proven, seed=0)
        paid = payout(found.values, 10**9)
        return (paid.get("00", 0) + sum(paid.get(f"{i:02}", 0) for i in range(10, 13))) / 1e9

    alone = share(deltas)
    for count in (2, 3, 4):
        length = np.linalg.norm(deltas[0]) / np.sqrt(base.size)
        names = [deltas[0] + 0.1 * length * random.standard_normal(base.size) for _ in range(count - 1)]
        yield figure(f"gain of splitting into {count}", 100 * (share(deltas + names) / alone - 1), "%", 2)


def splitting_with_work() -> Row:
    """The same where each name trains anew on what it is assigned: work for which each name stakes. Mean of seeds."""
    data, gains = digits_dataset(), []
    for seed in range(SEEDS):
        own = even_split(data, 7, seed)
        alone = simulate(data, own, [None] * 7, rounds=ROUNDS, seed=seed).paid[0]
        both = simulate(data, [*own, own[0]], [None] * 8, rounds=ROUNDS, seed=seed).paid
        gains.append((both[0] + both[-1]) / alone - 1)
    return Row("gain of splitting into 2 that both do the work", 100 * float(np.mean(gains)), "%")


def measured(quick: bool) -> Iterator[Row]:
    yield from values(quick)
    yield from splitting()
    yield splitting_with_work()
    yield from mixtures(quick)
    yield from attacks(quick)


def main() -> None:
    options = parser(__doc__, "no other environment, one aggregation").parse_args()
    report(options, lambda: measured(options.quick))


if __name__ == "__main__":
    main()
