"""Openings of a committed trace, and everything that must not open it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from verifier.fingerprint.errors import MalformedOpeningError
from verifier.fingerprint.trace import ChunkOpening, Trace, TraceShape


def some_trace(rows: int, columns: int = 3, chunk_rows: int = 4, seed: int = 0) -> Trace:
    return Trace(np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32), chunk_rows)


@settings(deadline=None)
@given(rows=st.integers(1, 70), columns=st.integers(1, 5), chunk_rows=st.integers(1, 9))
def test_openings__every_chunk_and_row__open_the_root(rows: int, columns: int, chunk_rows: int) -> None:
    trace = some_trace(rows, columns, chunk_rows)
    covered: set[int] = set()
    for chunk in range(trace.shape.chunks):
        opening = ChunkOpening.from_bytes(trace.open_chunk(chunk).to_bytes(), trace.shape)
        assert opening.opens(trace.root)
        assert np.array_equal(opening.values, trace.chunk(chunk))
        assert len(opening.values) == min(chunk_rows, rows)
        covered.update(trace.shape.span(chunk))
    assert covered == set(range(rows))
    assert all(trace.open_row(row).opens(trace.root) for row in range(rows))


@pytest.mark.parametrize("rows", [1, 4, 9, 32])
def test_chunk_opening__one_value_changed__does_not_open(rows: int) -> None:
    trace = some_trace(rows)
    for chunk in range(trace.shape.chunks):
        opening = trace.open_chunk(chunk)
        changed = opening.values.copy()
        changed[-1, 0] = np.nextafter(changed[-1, 0], np.float32(9))
        assert not replace(opening, values=changed).opens(trace.root)


def test_chunk_opening__claimed_for_another_place_or_shape__does_not_open() -> None:
    trace = some_trace(16)
    opening = trace.open_chunk(1)
    assert not replace(opening, chunk=2).opens(trace.root)
    assert not replace(opening, shape=TraceShape(15, 3, 4)).opens(trace.root)
    assert not replace(opening, shape=TraceShape(16, 3, 8)).opens(trace.root)


def test_chunk_opening__proof_of_wrong_depth__does_not_open() -> None:
    trace = some_trace(16)
    opening = trace.open_chunk(1)
    assert not replace(opening, proof=opening.proof[:-1]).opens(trace.root)
    assert not replace(opening, proof=(*opening.proof, bytes(32))).opens(trace.root)
    # A node of the tree cannot stand for a root: the path to it is shorter than the trace's shape asks for.
    subtree = some_trace(8, seed=0)
    assert not replace(subtree.open_chunk(0), shape=trace.shape).opens(subtree.root)


def test_row_opening__value_place_or_proof_changed__does_not_open() -> None:
    trace = some_trace(14)
    opening = trace.open_row(6)
    changed: NDArray[np.float32] = opening.values + np.float32(1)
    for forged in (
        replace(opening, values=changed),
        replace(opening, row=7),
        replace(opening, row=99),
        replace(opening, chunk=2),
        replace(opening, row_proof=opening.row_proof[:-1]),
        replace(opening, chunk_proof=(*opening.chunk_proof, bytes(32))),
        replace(opening, rows_root=bytes(32)),
    ):
        assert not forged.opens(trace.root)


def test_root__any_change__another_root() -> None:
    values = some_trace(9).values
    roots = {Trace(values, 4).root, Trace(values, 3).root, Trace(values[:8], 4).root, Trace(values[:, :2], 4).root}
    swapped = values.copy()
    swapped[[0, 5]] = swapped[[5, 0]]
    roots.add(Trace(swapped, 4).root)
    assert len(roots) == 5


def test_last_chunk__trace_longer_than_a_chunk__is_full_and_overlaps() -> None:
    assert list(TraceShape(33, 1, 32).span(1)) == list(range(1, 33))
    assert list(TraceShape(20, 1, 32).span(0)) == list(range(20))


@pytest.mark.parametrize("index", [-1, 3])
def test_span__outside_the_trace__index_error(index: int) -> None:
    with pytest.raises(IndexError, match="3 chunks"):
        TraceShape(9, 1, 4).span(index)


@pytest.mark.parametrize("row", [-1, 9])
def test_open_row__outside_the_trace__index_error(row: int) -> None:
    with pytest.raises(IndexError, match="9 rows"):
        some_trace(9).open_row(row)


@pytest.mark.parametrize(
    "values",
    [np.zeros(3, np.float32), np.zeros((2, 2), np.float64), np.full((2, 2), np.nan, np.float32)],
)
def test_trace__not_a_finite_float32_matrix__refused(values: NDArray[np.float32]) -> None:
    with pytest.raises(ValueError, match="a trace"):
        Trace(values, 4)


def test_parse__damaged_openings__typed_error() -> None:
    trace = some_trace(9)
    good = trace.open_chunk(1).to_bytes()
    not_finite = good[:-4] + np.float32(np.inf).tobytes()
    for bad in (
        b"",
        good[:23],
        good[:-1],
        good + b"\0",
        b"XXXX" + good[4:],
        good[:16] + b"\xff" * 4 + good[20:],
        not_finite,
    ):
        with pytest.raises(MalformedOpeningError):
            ChunkOpening.from_bytes(bad, trace.shape)
    with pytest.raises(MalformedOpeningError, match="another shape"):
        ChunkOpening.from_bytes(good, TraceShape(10, 3, 4))


@given(data=st.binary(max_size=400))
def test_parse__any_bytes__typed_error_or_an_opening_that_does_not_open(data: bytes) -> None:
    trace = some_trace(9)
    try:
        opening = ChunkOpening.from_bytes(data, trace.shape)
    except MalformedOpeningError:
        return
    assert not opening.opens(trace.root)


@given(position=st.integers(0, 10**6), flip=st.integers(1, 255))
def test_parse__one_byte_changed__never_opens(position: int, flip: int) -> None:
    trace = some_trace(9)
    data = bytearray(trace.open_chunk(1).to_bytes())
    data[position % len(data)] ^= flip
    try:
        opening = ChunkOpening.from_bytes(bytes(data), trace.shape)
    except MalformedOpeningError:
        return
    # Chunk and value bytes alike are bound; only the sign of a zero could be lost, and there is none here.
    assert not opening.opens(trace.root)
