"""Image generation through the whole audit of a leaf: honest pictures pass in every numeric class, others are seen."""

import base64
import copy
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from verifier.fingerprint.challenge import leaf_key
from verifier.fingerprint.consensus import LeafReveal, Outcome, leaf_outcome
from verifier.fingerprint.sampling import MarginLimits
from verifier.fingerprint.trace import Trace
from verifier.models.answers import Answers
from verifier.models.calibration import CalibrationTerms
from verifier.models.cheaper import quantised_copy
from verifier.models.diffusion import DiffusionArchitecture, ImageRequest, LatentDiffusion, paint
from verifier.models.diffusion_training import VOCABULARY, DiffusionRecipe, diffusion_weights, prompts
from verifier.models.errors import ModelError
from verifier.models.numeric_class import NumericClass
from verifier.models.registration import calibrate_image_model, describe, register_files
from verifier.models.store import ModelStore
from verifier.models.task import Task
from verifier.node.specification import Specification
from verifier.node.workbench import UnsuitableJobError
from verifier.node.workloads import load_workload
from verifier.workloads.audit import audit_leaves, disclose, opens_commitment
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.image_generation import ImageGeneration
from verifier.workloads.workload import Run

LEAVES = 12
SIZES = DiffusionArchitecture(vocabulary=VOCABULARY, context=5, side=4, columns=32, steps=4)
RECIPE = DiffusionRecipe(SIZES, decoder_steps=150, steps=150)
TERMS = CalibrationTerms(false_alarm=0.05, words=2, batches=(1, 16), threads=(1,))
REQUEST = ImageRequest((1, 5), 7)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    return ModelStore(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained model as files: what `merit model register` takes."""
    torch.set_num_threads(1)
    directory = tmp_path_factory.mktemp("diffusion")
    (directory / "config.json").write_text(json.dumps(asdict(SIZES)))
    diffusion_weights(RECIPE, directory).rename(directory / "model.safetensors")
    return directory


def calibrated(store: ModelStore, directory: Path, dtype: str) -> ImageGeneration:
    numeric_class = NumericClass("cpu", dtype)
    manifest = register_files(store, directory, numeric_class=numeric_class, generation=None, task=Task.IMAGE)
    identity = calibrate_image_model(store, manifest.identity, prompts(80, seed=1), TERMS).identity
    workload = load_workload(store, Specification("inference", Task.IMAGE, identity))
    assert isinstance(workload, ImageGeneration)
    return workload


@pytest.fixture(scope="module")
def workload(store: ModelStore, directory: Path) -> ImageGeneration:
    return calibrated(store, directory, "float16")


Serve = Callable[[list[ImageRequest]], list[Run[bytes]]]


def outcomes(workload: ImageGeneration, serve: Serve) -> Counter[Outcome]:
    """The outcomes of leaves that are each audited by three honest verifiers, who run them again in batches."""
    requests, lattice = prompts(LEAVES, seed=7), workload.profile.lattice
    runs = serve(requests)
    keys = [leaf_key(bytes(32), leaf) for leaf in range(LEAVES)]
    evidence = [workload.write_evidence(q, run.output) for q, run in zip(requests, runs, strict=True)]
    found = Counter[Outcome]()
    for run, key, report in zip(
        runs, keys, audit_leaves(workload, list(zip(evidence, keys, strict=True))), strict=True
    ):
        disclosure = disclose(run.trace, key, lattice)
        opened = opens_commitment(run.trace.root, report.shape, key, lattice, disclosure)
        reveal = LeafReveal(report.verdict, opened, bytes(32), report.digest)
        found[leaf_outcome([reveal] * 3, disclosure.digest, workload.profile.bands)] += 1
    return found


def runs_of(workload: ImageGeneration, answers: Answers) -> list[Run[bytes]]:
    """What is served and committed to of a model's answers."""
    return [
        Run(workload.served(values), Trace(row[None], 1))
        for row, values in zip(answers.traced, answers.served, strict=True)
    ]


def painting(workload: ImageGeneration, model: LatentDiffusion) -> Serve:
    """A provider that runs `model` on whole batches."""
    return lambda requests: runs_of(workload, paint(model, requests))


def without_limits(workload: ImageGeneration) -> ImageGeneration:
    blind = copy.copy(workload)
    blind.profile = replace(workload.profile, margins=MarginLimits(mean=1e9, peak=1e9))
    return blind


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_honest__any_class_batch_and_threads__passes(store: ModelStore, directory: Path, dtype: str) -> None:
    workload = calibrated(store, directory, dtype)
    threads_before = torch.get_num_threads()
    try:
        for batch, threads in ((1, 1), (5, 2), (LEAVES, 1)):
            torch.set_num_threads(threads)

            def serve(requests: list[ImageRequest], batch: int = batch) -> list[Run[bytes]]:
                parts = [requests[start : start + batch] for start in range(0, LEAVES, batch)]
                return [run for part in parts for run in runs_of(workload, paint(workload.model, part))]

            assert outcomes(workload, serve) == {Outcome.PASS: LEAVES}
    finally:
        torch.set_num_threads(threads_before)


def fewer_layers(model: LatentDiffusion) -> LatentDiffusion:
    cheat = copy.copy(model)
    cheat._modules = {**model._modules, "blocks": model.blocks[:-1]}
    return cheat


@pytest.mark.parametrize("cheat", ["int8", "int4", "smaller model"])
def test_other_model__every_leaf__fraud_by_the_digest_alone(workload: ImageGeneration, cheat: str) -> None:
    substitute = {
        "int8": lambda: quantised_copy(workload.model, 8),
        "int4": lambda: quantised_copy(workload.model, 4),
        "smaller model": lambda: fewer_layers(workload.model),
    }[cheat]()
    blind = without_limits(workload)
    assert outcomes(blind, painting(blind, substitute)) == {Outcome.FRAUD: LEAVES}


def test_every_second_step_skipped__every_leaf__fraud_by_the_digest_alone(workload: ImageGeneration) -> None:
    hasty, blind = copy.copy(workload.model), without_limits(workload)
    hasty.architecture = replace(SIZES, steps=SIZES.steps // 2)
    assert outcomes(blind, painting(blind, hasty)) == {Outcome.FRAUD: LEAVES}


@pytest.mark.parametrize(
    "other",
    [
        lambda request: replace(request, seed=request.seed ^ 1),
        lambda request: replace(request, prompt=request.prompt[::-1] if len(request.prompt) > 1 else (13,)),
    ],
)
def test_other_seed_or_prompt__every_leaf__fraud_by_the_digest_alone(
    workload: ImageGeneration, other: Callable[[ImageRequest], ImageRequest]
) -> None:
    blind = without_limits(workload)

    def serve(requests: list[ImageRequest]) -> list[Run[bytes]]:
        return [blind.run(other(request)) for request in requests]

    assert outcomes(blind, serve) == {Outcome.FRAUD: LEAVES}


def cheaply_decoded(workload: ImageGeneration, requests: list[ImageRequest]) -> list[Run[bytes]]:
    """The right latents, decoded by an int4 copy."""
    answers, cheap = paint(workload.model, requests), quantised_copy(workload.model, 4)
    with torch.inference_mode():
        latents = torch.from_numpy(answers.traced).view(len(requests), -1, SIZES.channels)
        images = torch.round(cheap.decoded(latents)).flatten(1).numpy()
    return runs_of(workload, Answers(answers.traced, images))


def painted_over(workload: ImageGeneration, requests: list[ImageRequest]) -> list[Run[bytes]]:
    """The right latents, and a mark of four pixels in the picture."""
    answers = paint(workload.model, requests)
    images = answers.served.copy()
    images[:, :12] = 255 - images[:, :12].round(-2)
    return runs_of(workload, Answers(answers.traced, images))


@pytest.mark.parametrize("cheat", [cheaply_decoded, painted_over])
def test_other_picture_with_the_right_latent__every_leaf__fraud_by_the_picture_alone(
    workload: ImageGeneration, cheat: Callable[[ImageGeneration, list[ImageRequest]], list[Run[bytes]]]
) -> None:
    assert outcomes(workload, lambda requests: cheat(workload, requests)) == {Outcome.FRAUD: LEAVES}
    blind = without_limits(workload)
    assert outcomes(blind, lambda requests: cheat(blind, requests)) == {Outcome.PASS: LEAVES}


def test_paint__red_or_blue__the_pictures_that_were_asked_for(workload: ImageGeneration) -> None:
    """The model has learned what its words mean: what is verified is a model at work."""

    def colours(word: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        answers = paint(workload.model, [ImageRequest((word,), seed) for seed in range(32)])
        return np.asarray(answers.served.reshape(-1, 3).mean(axis=0), dtype=np.float32)

    red, blue = colours(1), colours(3)
    assert red[0] > blue[0] + 5
    assert red[2] < blue[2] - 5


def test_run__same_request__same_picture_by_prompt_and_seed(workload: ImageGeneration) -> None:
    output = workload.run(REQUEST).output
    assert output == workload.run(REQUEST).output
    assert len(output) == SIZES.values == (4 * 4) ** 2 * 3
    assert output != workload.run(replace(REQUEST, seed=8)).output
    assert output != workload.run(replace(REQUEST, prompt=(2, 5))).output


def test_describe__calibrated__detection(workload: ImageGeneration) -> None:
    assert "int8: 100.00% of 40 leaves" in describe(workload.manifest)


@pytest.mark.parametrize("name", [Task.TEXT, Task.EMBEDDING])
def test_load__work_that_the_model_does_not_do__says_so(
    store: ModelStore, workload: ImageGeneration, name: Task
) -> None:
    with pytest.raises(UnsuitableJobError):
        load_workload(store, Specification("inference", name, workload.manifest.identity))


@pytest.mark.parametrize(
    "change",
    [{}, {"side": 8}, {"layers": 3}, {"columns": 2**12}, {"columns": 2**40}, {"steps": 0}, {"heads": 5}],
)
def test_register__sizes_that_do_not_fit__refused(tmp_path: Path, directory: Path, change: dict[str, Any]) -> None:
    config = asdict(SIZES) | change if change else {}
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = load_file(directory / "model.safetensors")
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="do not fit"):
        register_files(
            ModelStore(tmp_path / "models"),
            tmp_path,
            numeric_class=NumericClass("cpu", "bfloat16"),
            generation=None,
            task=Task.IMAGE,
        )


def test_evidence__honest__round_trip(workload: ImageGeneration) -> None:
    output = workload.run(REQUEST).output
    assert workload.read_evidence(workload.write_evidence(REQUEST, output)) == (REQUEST, output)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("format"),
        lambda d: d.update(extra=1),
        lambda d: d.update(format="merit-image/2"),
        lambda d: d.update(model="00" * 32),
        lambda d: d.update(request=[]),
        lambda d: d["request"].pop("seed"),
        lambda d: d["request"].update(seed=-1),
        lambda d: d["request"].update(seed=2**64),
        lambda d: d["request"].update(prompt=[]),
        lambda d: d["request"].update(prompt=[VOCABULARY]),
        lambda d: d["request"].update(prompt=[1] * 6),
        lambda d: d.update(output=None),
        lambda d: d.update(output=1),
        lambda d: d.update(output=""),
        lambda d: d.update(output="\u00e9"),
        lambda d: d.update(output=base64.b64encode(bytes(SIZES.values - 1)).decode()),
        lambda d: d.update(output="A" * 2**20),
    ],
)  # fmt: skip
def test_read_evidence__one_thing_wrong__refused(
    workload: ImageGeneration, change: Callable[[dict[str, Any]], object]
) -> None:
    document = json.loads(workload.write_evidence(REQUEST, workload.run(REQUEST).output))
    change(document)
    with pytest.raises(MalformedEvidenceError):
        workload.read_evidence(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())
