"""Hostile bytes for every parser: a typed error, or a document that is exactly its own canonical form."""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from verifier.fingerprint.errors import MalformedOpeningError
from verifier.fingerprint.toploc import ToplocProof, toploc_distance, toploc_proof
from verifier.fingerprint.trace import ChunkOpening, Trace
from verifier.models.demonstration import DemonstrationModels
from verifier.models.diffusion import DiffusionArchitecture, ImageRequest, LatentDiffusion
from verifier.models.errors import ModelError
from verifier.models.generation import TextRequest
from verifier.models.manifest import Manifest
from verifier.models.profile import ToplocLimits
from verifier.models.store import Registered
from verifier.workloads.encoding import Embedding, EncodingRequest
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.image_generation import ImageGeneration
from verifier.workloads.text_generation import TextGeneration
from verifier.workloads.toploc_text import ToplocTextGeneration
from verifier.workloads.workload import Workload

Parser = tuple[bytes, Callable[[bytes], None]]
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


def of_evidence(workload: Workload[Any, Any], request: Any) -> Parser:
    evidence = workload.write_evidence(request, workload.run(request).output)

    def check(data: bytes) -> None:
        try:
            read = workload.read_evidence(data)
        except MalformedEvidenceError:
            return
        assert workload.write_evidence(*read) == data

    return evidence, check


def of_text(models: DemonstrationModels) -> Parser:
    return of_evidence(TextGeneration(models.registered), TextRequest(tuple(b"import os\n"), 12, 7))


def of_proven_text(models: DemonstrationModels) -> Parser:
    manifest = models.registered.manifest
    profile = replace(manifest.profile(), toploc=ToplocLimits(16, 1.0, 2.0, {}))
    workload = ToplocTextGeneration(Registered(manifest.calibrated(profile), models.registered.model))
    return of_evidence(workload, TextRequest(tuple(b"import os\n"), 34, 7))


def of_embedding(models: DemonstrationModels) -> Parser:
    """An encoder's profile has another shape than the GPT's; what reads evidence looks at sizes of the model only."""
    return of_evidence(Embedding(Registered(models.registered.manifest, OnesEncoder())), EncodingRequest((1, 2, 3)))


def of_image(models: DemonstrationModels) -> Parser:
    painter = LatentDiffusion(DiffusionArchitecture(side=2, patch=2, columns=8, layers=1, heads=2, steps=1)).eval()
    return of_evidence(ImageGeneration(Registered(models.registered.manifest, painter)), ImageRequest((1, 2), 7))


class OnesEncoder:
    """The sizes of an encoder, and no more."""

    vocabulary, context, columns, labels = 100, 8, 6, 0

    def rows(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return torch.ones(len(tokens), self.columns)


def of_opening(models: DemonstrationModels) -> Parser:
    trace = Trace(np.random.default_rng(0).standard_normal((9, 3)).astype(np.float32), 4)
    valid = trace.open_chunk(1).to_bytes()

    def check(data: bytes) -> None:
        try:
            opening = ChunkOpening.from_bytes(data, trace.shape)
        except MalformedOpeningError:
            return
        assert opening.opens(trace.root) == (data == valid)

    return valid, check


def of_manifest(models: DemonstrationModels) -> Parser:
    def check(data: bytes) -> None:
        try:
            manifest = Manifest.from_bytes(data)
        except ModelError:
            return
        assert manifest.to_bytes() == data

    return models.registered.manifest.to_bytes(), check


def of_proof(models: DemonstrationModels) -> Parser:
    chunk = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)

    def check(data: bytes) -> None:
        try:
            proof = ToplocProof.from_bytes(data, 16)
        except MalformedOpeningError:
            return
        assert proof.to_bytes() == data
        toploc_distance(proof, chunk)

    return toploc_proof(chunk, 16).to_bytes(), check


@pytest.fixture(params=[of_text, of_proven_text, of_embedding, of_image, of_opening, of_manifest, of_proof])
def parser(request: pytest.FixtureRequest, models: DemonstrationModels) -> Parser:
    """A valid document, and what must hold of any other bytes."""
    made: Parser = request.param(models)
    return made


def fuzz(parser: Parser, count: int) -> None:
    valid, check = parser
    check(valid)
    draw = random.Random(2026)
    for _ in range(count):
        check(mutated(draw, valid))


def test_parser__two_thousand_mutants__typed_errors_only(parser: Parser) -> None:
    fuzz(parser, 2_000)


@pytest.mark.long
def test_parser__a_million_mutants__typed_errors_only(parser: Parser) -> None:
    fuzz(parser, 1_000_000)
