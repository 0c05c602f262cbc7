"""Traces that nobody computed: no guess at a chunk comes nearer to the digest than a coin."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from verifier.fingerprint.challenge import leaf_key
from verifier.fingerprint.lattice import digest, hamming, projections
from verifier.models.demonstration import sample_requests
from verifier.models.gpt import Gpt
from verifier.models.training import standard_library_corpus
from verifier.workloads.text_generation import TextGeneration

Matrix = NDArray[np.float32]
CHUNKS = 40


@pytest.fixture(scope="module")
def served(workload: TextGeneration) -> list[tuple[Matrix, Matrix]]:
    """Of each output: its token embeddings, which a forger has for free, and the first chunk of its trace."""
    model = workload.model
    assert isinstance(model, Gpt)
    pairs = []
    for request in sample_requests(standard_library_corpus(), CHUNKS, 96, seed=4321):
        run = workload.run(request)
        tokens = np.array((request.prompt[-1], *run.output[:-1]))
        embeddings = model.token_embedding.weight.float().numpy()[tokens]
        span = run.trace.shape.span(0)
        pairs.append((embeddings[span.start : span.stop], run.trace.chunk(0)))
    return pairs


def ridge(pairs: list[tuple[Matrix, Matrix]]) -> Callable[[Matrix], Matrix]:
    """The best linear guess at hidden states from embeddings of the token and its two predecessors."""

    def inputs(embeddings: Matrix) -> Matrix:
        before = np.roll(embeddings, 1, axis=0), np.roll(embeddings, 2, axis=0)
        return np.hstack([embeddings, *before, np.ones((len(embeddings), 1), dtype=np.float32)])

    x = np.vstack([inputs(embeddings) for embeddings, _ in pairs])
    y = np.vstack([chunk for _, chunk in pairs])
    weights = np.linalg.solve(x.T @ x + np.eye(x.shape[1], dtype=np.float32), x.T @ y)
    return lambda embeddings: (inputs(embeddings) @ weights).astype(np.float32)


# From the profile's mean, what was served and the place of the forged leaf in it, to the forged chunk.
FORGERIES: dict[str, Callable[[Matrix, list[tuple[Matrix, Matrix]], int], Matrix]] = {
    "zeros": lambda mean, served, i: np.zeros_like(served[i][1]),
    "constant": lambda mean, served, i: np.full_like(served[i][1], 3.456),
    "profile's mean": lambda mean, served, i: np.tile(mean, (len(served[i][1]), 1)),
    "replayed chunk": lambda mean, served, i: served[i - 1][1],
    "sign flip": lambda mean, served, i: -served[i][1],
    "mirror image": lambda mean, served, i: (2 * mean - served[i][1]).astype(np.float32),
    "reversed rows": lambda mean, served, i: served[i][1][::-1].copy(),
    "ridge surrogate": lambda mean, served, i: ridge(served[: CHUNKS // 2])(served[i][0]),
}


@pytest.mark.parametrize("kind", FORGERIES)
def test_forgery__key_unknown__no_nearer_than_a_coin(
    workload: TextGeneration, served: list[tuple[Matrix, Matrix]], kind: str
) -> None:
    lattice = workload.profile.lattice
    distances = []
    for index in range(CHUNKS // 2, CHUNKS):
        forgery = FORGERIES[kind](lattice.whitening.mean, served, index)
        chunk = served[index][1]
        for k in range(5):
            key = leaf_key(bytes([k]) * 32, index)
            distances.append(hamming(digest(forgery, key, lattice), digest(chunk, key, lattice)))
    assert min(distances) > workload.profile.bands.hard
    assert np.mean(distances) == pytest.approx(lattice.bits / 2, rel=0.05)


def test_scaled_trace__one_percent__beyond_the_honest_band(
    workload: TextGeneration, served: list[tuple[Matrix, Matrix]]
) -> None:
    lattice = workload.profile.lattice
    for index in range(CHUNKS):
        key = leaf_key(bytes(32), index)
        chunk = served[index][1]
        larger = (chunk * np.float32(1.01)).astype(np.float32)
        assert hamming(digest(larger, key, lattice), digest(chunk, key, lattice)) > workload.profile.bands.soft


def test_null_space_forgery__key_known_before_the_commitment__only_a_fresh_key_sees_it(
    workload: TextGeneration, served: list[tuple[Matrix, Matrix]]
) -> None:
    """Why the trace is committed before the key is drawn: with the key, a forger moves where no projection looks."""
    lattice = workload.profile.lattice
    chunk = served[0][1]
    known, fresh = leaf_key(bytes(32), 0), leaf_key(bytes(32), 1)
    # Projections are linear but for rounding: probe them with unit vectors, then move within their null space.
    origin = projections(chunk, known, lattice).ravel()
    probes = np.empty((origin.size, chunk.size))
    step = (1 / lattice.whitening.scale).astype(np.float32)
    for place in range(chunk.size):
        row, column = divmod(place, chunk.shape[1])
        moved = chunk.copy()
        moved[row, column] += step[column]
        probes[:, place] = (projections(moved, known, lattice).ravel() - origin) / 2**20
    direction = np.random.default_rng(0).standard_normal(chunk.size)
    direction -= np.linalg.lstsq(probes, probes @ direction, rcond=None)[0]
    forgery = (chunk + (direction.reshape(chunk.shape) * step)).astype(np.float32)
    assert np.linalg.norm(direction) > 0.5 * np.sqrt(chunk.size)
    assert hamming(digest(forgery, known, lattice), digest(chunk, known, lattice)) <= workload.profile.bands.soft
    assert hamming(digest(forgery, fresh, lattice), digest(chunk, fresh, lattice)) > workload.profile.bands.hard
