"""What each update does to the loss by itself: cheap enough for everyone, in time linear in the trainers."""

from functools import partial

import numpy as np

from scoring.training.models import CHUNK, Floats, Mapper, Model, Values

# Of an update's length: a whole step makes rankings inconsistent (Gauntlet, arXiv 2505.21684).
STEP = 0.2


def loss_deltas(model: Model, base: Floats, updates: Floats, mapper: Mapper = map) -> Floats:
    """How much a fifth of each update lowers the loss of each sample, shape (n, samples).

    LossScore is its mean over the samples. base: (d,). updates: (n, d).
    """
    chunks = [updates[first : first + CHUNK] for first in range(0, len(updates), CHUNK)]
    return np.concatenate(list(mapper(partial(_deltas, model, base), chunks)))


def first_order_influence(gradient: Floats, updates: Floats) -> Values:
    """`- <gradient of the loss, update>`, shape (n,): what each update removes of the loss to first order.

    The one-hop influence of DICE (arXiv 2507.06931), for one gradient and a product: a screen before anything else is
    evaluated. gradient: (d,). updates: (n, d).
    """
    return np.asarray(-(updates @ gradient), dtype=np.float64)


def _deltas(model: Model, base: Floats, updates: Floats) -> Floats:
    steps = np.concatenate([np.zeros((1, len(updates))), STEP * np.eye(len(updates))]).astype(updates.dtype)
    losses = model.losses(base, updates, steps)
    return np.asarray(losses[0] - losses[1:])
