"""Values of reconstructed rounds by pyDVL; runs in an environment of its own, which benchmarks/training.py makes.

    python training.py ROUNDS.npz

The file holds `features` (samples, inputs), `labels`, `hidden`, `bases` (rounds, d) and `updates` (rounds, n, d).
Prints one JSON object: processor seconds for all rounds and the values of every round. A coalition is evaluated once.
"""

import json
import sys
import time
import warnings

import numpy as np

warnings.simplefilter("ignore")
from pydvl.valuation import Dataset, ShapleyValuation  # noqa: E402
from pydvl.valuation.samplers import DeterministicUniformSampler  # noqa: E402
from pydvl.valuation.stopping import NoStopping  # noqa: E402
from pydvl.valuation.utility.base import UtilityBase  # noqa: E402


class Reconstruction(UtilityBase):
    """What the mean of a coalition's updates removes of the mean loss."""

    def __init__(self, data, base, updates):
        self._features, self._labels, self._hidden = data["features"], data["labels"], int(data["hidden"])
        self._base, self._updates, self._known = base, updates, {}
        self._before = self._loss(base)

    def __call__(self, sample):
        members = () if sample is None else tuple(sorted(int(i) for i in sample.subset))
        if not members:
            return 0.0
        if members not in self._known:
            self._known[members] = self._before - self._loss(self._base + self._updates[list(members)].mean(axis=0))
        return self._known[members]

    def _loss(self, parameters):
        inputs, hidden = self._features.shape[1], self._hidden
        first, rest = np.split(parameters, [hidden * (inputs + 1)])
        classes = len(rest) // (hidden + 1)
        values = self._features @ first[: hidden * inputs].reshape(hidden, inputs).T + first[hidden * inputs :]
        values = np.maximum(values, 0) @ rest[: classes * hidden].reshape(classes, hidden).T + rest[classes * hidden :]
        values -= values.max(axis=1, keepdims=True)
        right = values[np.arange(len(self._labels)), self._labels]
        return float((np.log(np.exp(values).sum(axis=1)) - right).mean())


def main() -> None:
    data = dict(np.load(sys.argv[1]))
    count = data["updates"].shape[1]
    players = Dataset(np.arange(float(count))[:, None], np.zeros(count))
    values, started = [], time.process_time()
    for base, updates in zip(data["bases"], data["updates"], strict=True):
        sampler = DeterministicUniformSampler()
        valuation = ShapleyValuation(
            Reconstruction(data, base, updates), sampler, NoStopping(sampler), progress=False, show_warnings=False
        )
        values.append([float(value) for value in valuation.fit(players).result.values])
    print(json.dumps({"seconds": time.process_time() - started, "values": values}))


if __name__ == "__main__":
    main()
