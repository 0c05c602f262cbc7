"""Hostile bytes for every parser: a typed error, or a document that is exactly its own canonical form."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from verifier.fingerprint.errors import MalformedOpeningError
from verifier.fingerprint.toploc import ToplocProof, toploc_proof
from verifier.fingerprint.trace import ChunkOpening, Trace
from verifier.models.demonstration import DemonstrationModels
from verifier.models.errors import ModelError
from verifier.models.generation import TextRequest
from verifier.models.manifest import Manifest
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.text_generation import TextGeneration

Check = Callable[[bytes], None]
PIECES = (
    b"0",
    b"-1",
    b"1e999",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'"',
    b"\\u0000",
    b"\xff",
    b"\x00" * 4,
    b"\xff" * 4,
    b"[" * 200,
)


def mutated(draw: random.Random, valid: bytes) -> bytes:
    """Valid bytes with one to four wounds: a byte changed, a piece cut out, repeated, moved or put in; or noise."""
    if draw.random() < 0.05:
        return draw.randbytes(draw.randrange(300))
    data = bytearray(valid)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(data) + 1)
        length = min(draw.randrange(1, 20), len(data) - place)
        match draw.randrange(5):
            case 0 if place < len(data):
                data[place] = draw.randrange(256)
            case 1:
                del data[place : place + length]
            case 2:
                data[place:place] = data[place : place + length]
            case 3:
                data[place:place] = draw.choice(PIECES)
            case _:
                other = draw.randrange(len(data) + 1)
                data[other:other] = data[place : place + length]
    return bytes(data)


@pytest.fixture(params=["evidence", "opening", "manifest", "toploc proof"])
def parser(
    request: pytest.FixtureRequest, models: DemonstrationModels, workload: TextGeneration
) -> tuple[bytes, Check]:
    """A valid document, and what must hold of any other bytes."""
    if request.param == "evidence":
        asked = TextRequest(tuple(b"import os\n"), 12, 7)
        evidence = workload.write_evidence(asked, workload.run(asked).output)

        def check_evidence(data: bytes) -> None:
            try:
                read = workload.read_evidence(data)
            except MalformedEvidenceError:
                return
            assert workload.write_evidence(*read) == data

        return evidence, check_evidence
    if request.param == "opening":
        trace = Trace(np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32), 4)
        valid = trace.open_chunk(1).to_bytes()

        def check_opening(data: bytes) -> None:
            try:
                opening = ChunkOpening.from_bytes(data, trace.shape)
            except MalformedOpeningError:
                return
            assert opening.opens(trace.root) == (data == valid)

        return valid, check_opening
    if request.param == "manifest":

        def check_manifest(data: bytes) -> None:
            try:
                manifest = Manifest.from_bytes(data)
            except ModelError:
                return
            assert manifest.to_bytes() == data

        return models.registered.manifest.to_bytes(), check_manifest

    def check_proof(data: bytes) -> None:
        try:
            proof = ToplocProof.from_bytes(data, 16)
        except MalformedOpeningError:
            return
        assert proof.to_bytes() == data

    return toploc_proof(np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32), 16).to_bytes(), check_proof


def fuzz(parser: tuple[bytes, Check], count: int) -> None:
    valid, check = parser
    check(valid)
    draw = random.Random(2026)
    for _ in range(count):
        check(mutated(draw, valid))


def test_parser__two_thousand_mutants__typed_errors_only(parser: tuple[bytes, Check]) -> None:
    fuzz(parser, 2_000)


@pytest.mark.long
def test_parser__a_million_mutants__typed_errors_only(parser: tuple[bytes, Check]) -> None:
    fuzz(parser, 1_000_000)
