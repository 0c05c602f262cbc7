"""Which updates of a round are looked at, how long they may be, and which are the same work under several names."""

from collections.abc import Sequence
from enum import StrEnum
from math import fsum, sqrt

import numpy as np
from numpy.typing import NDArray

from scoring.training.models import Floats, Rows, Values

# Honest trainers with clean data reach a cosine of 0.90; a copy has 1.
DUPLICATE_COSINE = 0.95
# Rounds behind at which an update is worth nothing.
_STALE = 5


class Refusal(StrEnum):
    """Why an update takes no part in its round."""

    NOT_OPENED = "its commitment was not opened in time"
    MALFORMED = "it does not have the form and shape that the job asks for"
    NOT_FINITE = "it holds a number that is not finite"
    STALE = "it is for a model of five rounds ago or older"
    DUPLICATE = "an update committed to earlier is nearly the same"


def finite(updates: Floats) -> NDArray[np.bool_]:
    """Whether each update, shape (n, d), holds only finite numbers: (n,)."""
    return np.asarray(np.isfinite(updates).all(axis=1))


def sync_score(rounds_behind: float) -> float:
    """The weight of an update for a model of `rounds_behind` rounds ago: 1 for none, 0 from five on.

    `max(0, 1 - min(x, 5) / 5) ** 2.5`: Gauntlet (arXiv 2505.21684).
    """
    fresh = max(0.0, 1 - min(rounds_behind, _STALE) / _STALE)
    return fresh * fresh * sqrt(fresh)  # a power would differ in its last bit from machine to machine


def lengths(updates: Floats) -> Values:
    """The Euclidean length of each update, shape (n, d), as a column (n, 1).

    The sums are rounded once, so that they are the same on every machine: aggregated parameters depend on them.
    """
    return np.array([[sqrt(fsum((update * update).tolist()))] for update in updates])


def clipped(updates: Floats) -> Floats:
    """The updates, shape (n, d), none longer than their median length: a large update buys no influence."""
    norms = lengths(updates)
    median = np.median(norms)
    return np.asarray(updates * np.where(norms > median, median / np.where(norms > median, norms, 1), 1))


def duplicate_clusters(updates: Floats, committed: Sequence[int]) -> Rows:
    """For each update, shape (n, d), the index of the one in its cluster that was committed to first: (n,).

    Updates whose cosine is at least DUPLICATE_COSINE are in one cluster, and so is what a chain of such pairs connects:
    a cluster cannot be split by slow drift. committed: order of the commitments, lower is earlier; ties fall to the
    update listed first. An update of zeros is like no other.
    """
    norms = np.linalg.norm(updates, axis=1, keepdims=True)
    directions = updates / np.maximum(norms, np.finfo(updates.dtype).tiny)
    alike = directions @ directions.T >= DUPLICATE_COSINE
    first = np.arange(len(updates))
    for i in sorted(range(len(updates)), key=lambda k: (committed[k], k)):
        if first[i] != i:
            continue
        reached = [i]
        while reached:
            near = np.flatnonzero(alike[reached.pop()] & (first == np.arange(len(updates))))
            near = near[near != i]
            first[near] = i
            reached += near.tolist()
    return first
