"""Rounds of training in one process, without a chain: trainers with data of their own, some of them attacking."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scoring.training.aggregation import Aggregation, centered_clip
from scoring.training.models import Floats, Rows
from scoring.training.payout import payout
from scoring.training.perceptron import Perceptron
from scoring.training.rounds import Update, value_round
from verifier.training.adversaries import ATTACKS
from verifier.training.local_update import descend, initial_parameters

POT = 10**9
ASSIGNED = 32
EVALUATED = 160
# Attacks on the training itself, not on what is sent.
LABEL_FLIP, LAZY = "label flip", "lazy"
ALL_ATTACKS = (*ATTACKS, LABEL_FLIP, LAZY)


@dataclass(frozen=True)
class Dataset:
    """features: (samples, inputs). labels: (samples,). public: rows that all have. test: rows that nobody trains on."""

    features: Floats
    labels: Rows
    public: Rows
    test: Rows

    @property
    def private(self) -> Rows:
        """The rows that trainers own."""
        return np.setdiff1d(np.arange(len(self.labels)), np.concatenate([self.public, self.test]))


@dataclass(frozen=True)
class Outcome:
    """accuracy: of the final parameters on the test rows. paid: to each trainer, over all rounds, in units of POT."""

    accuracy: float
    paid: tuple[float, ...]


def digits_dataset() -> Dataset:
    """The 1,797 digits of scikit-learn: 500 for everyone, 360 to test on, the rest to be owned."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 (what only tests and benchmarks need)

    digits = load_digits()
    order = np.random.default_rng(7).permutation(len(digits.target))
    labels = digits.target.astype(np.int64)
    return Dataset(digits.data / 16, labels, np.sort(order[:500]), np.sort(order[500:860]))


def even_split(data: Dataset, trainers: int, seed: int) -> list[Rows]:
    """The private rows, dealt out at random."""
    return [np.sort(part) for part in np.array_split(np.random.default_rng(seed).permutation(data.private), trainers)]


def dirichlet_split(data: Dataset, trainers: int, concentration: float, seed: int) -> list[Rows]:
    """The private rows, each class dealt out by shares from a Dirichlet distribution: the lower, the more uneven."""
    random = np.random.default_rng(seed)
    parts: list[list[int]] = [[] for _ in range(trainers)]
    for label in np.unique(data.labels):
        rows = random.permutation(data.private[data.labels[data.private] == label])
        cuts = np.cumsum(random.dirichlet(np.full(trainers, concentration)))[:-1] * len(rows)
        for part, dealt in zip(parts, np.split(rows, cuts.astype(np.int64)), strict=True):
            part.extend(dealt.tolist())
    return [np.array(sorted(part), dtype=np.int64) for part in parts]


def simulate(
    data: Dataset,
    own: Sequence[Rows],
    attacks: Sequence[str | None],
    *,
    rounds: int,
    seed: int = 0,
    aggregation: Aggregation = centered_clip,
) -> Outcome:
    """Play some rounds. own: rows of each trainer. attacks: what each does, None for honest work.

    Attackers come after the honest trainers in the order of commitments.
    """
    random = np.random.default_rng(seed)
    model = Perceptron((data.features.shape[1], 32, int(data.labels.max()) + 1), data.features, data.labels)
    flipped = Perceptron(model.widths, data.features, model.widths[-1] - 1 - data.labels)
    parameters = initial_parameters(model, seed)
    before = parameters
    standing: dict[str, float] = {}
    paid = np.zeros(len(own))
    for _ in range(rounds):
        drawn = random.permutation(data.public)
        samples, assignable = drawn[:EVALUATED], drawn[EVALUATED:]
        assigned = [random.choice(assignable, ASSIGNED, replace=False) for _ in own]
        deltas = np.array(
            [
                descend(
                    flipped if attack == LABEL_FLIP else model,
                    before if attack == LAZY else parameters,
                    np.concatenate([rows, given]),
                    random,
                )
                for attack, rows, given in zip(attacks, own, assigned, strict=True)
            ]
        )
        honest = deltas[[i for i, attack in enumerate(attacks) if attack is None]]
        for name in {attack for attack in attacks if attack in ATTACKS}:
            members = [i for i, attack in enumerate(attacks) if attack == name]
            deltas[members] = ATTACKS[name](honest, deltas[members], random)
        updates = [
            Update(f"{i:03}", delta, i + len(own) * (attacks[i] is not None), assigned[i])
            for i, delta in enumerate(deltas)
        ]
        valuation = value_round(
            model.on, samples, parameters, updates, standing, seed=int(random.integers(2**32)), aggregation=aggregation
        )
        for name, share in payout(valuation.values, POT).items():
            paid[int(name)] += share / POT
        before, parameters, standing = parameters, valuation.parameters, valuation.standing
    right = model.on(data.test).predictions(parameters) == data.labels[data.test]
    return Outcome(float(right.mean()), tuple(paid.tolist()))
