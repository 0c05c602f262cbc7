"""Every other kind of inference before the court: honest work is paid, and what saves work is caught."""

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from eth_typing import ChecksumAddress
from transformers import AutoModel, AutoModelForSequenceClassification, BertConfig
from transformers.utils import logging

from scripts.demo.report import Report
from scripts.rehearsal import Rehearsal
from verifier.fingerprint.toploc import TOP, ToplocProof
from verifier.models.calibration import CalibrationTerms
from verifier.models.cheaper import quantised_copy
from verifier.models.demonstration import RULE, DemonstrationModels, sample_requests
from verifier.models.diffusion import DiffusionArchitecture, LatentDiffusion
from verifier.models.diffusion_training import VOCABULARY, DiffusionRecipe, diffusion_weights, prompts
from verifier.models.gpt import Gpt
from verifier.models.numeric_class import NumericClass
from verifier.models.registration import calibrate_encoder, calibrate_image_model, register_files
from verifier.models.store import ModelStore, Registered
from verifier.models.task import Task
from verifier.models.text_calibration import TextTrial
from verifier.models.training import END_TOKEN, standard_library_corpus
from verifier.node.specification import Specification
from verifier.node.workloads import load_workload
from verifier.provider.agent import Server
from verifier.workloads.encoding import EncodingRequest
from verifier.workloads.providers import HonestProvider
from verifier.workloads.toploc_text import NAME, ToplocTextGeneration
from verifier.workloads.workload import Run

pytestmark = pytest.mark.chain

LEAVES = 5
TERMS = CalibrationTerms(false_alarm=0.025, words=2, batches=(1, 8), threads=(1,))


@dataclass(frozen=True)
class Work:
    """A registered model's kind of work, what is ordered of it, and what cheats would do instead."""

    specification: Specification
    workload: Any
    requests: Sequence[Any]
    cheats: dict[str, Server]


class OtherOutput:
    """Commits to the registered model's run, but sends something else."""

    def __init__(self, workload: Any, output: Callable[[Any], Any]) -> None:
        self._workload = workload
        self._output = output

    def serve(self, request: Any) -> Run[Any]:
        return replace(self._workload.run(request), output=self._output(request))


def running(workload: Any, model: Any) -> Any:
    """The workload of somebody who runs another model for it."""
    other = copy.copy(workload)
    other.model = model
    return other


def encoder(store: ModelStore, directory: Path, task: Task, kind: Any) -> Work:
    """A random BERT, whose numbers are as hard to guess as those of a trained one."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.manual_seed(1)
    sizes: dict[str, Any] = {
        "vocab_size": 200, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "intermediate_size": 96, "max_position_embeddings": 96, "num_labels": 3, "initializer_range": 0.1,
    }  # fmt: skip
    kind.from_config(BertConfig(**sizes), dtype=torch.bfloat16).save_pretrained(directory)
    numeric_class, draw = NumericClass("cpu", "bfloat16"), Random(1)
    sequences = [tuple(draw.randrange(200) for _ in range(draw.randint(8, 96))) for _ in range(160)]
    registered = register_files(store, directory, numeric_class=numeric_class, generation=None, task=task)
    specification = Specification(
        "inference", task, calibrate_encoder(store, registered.identity, sequences, TERMS).identity
    )
    workload: Any = load_workload(store, specification)
    int8 = running(workload, quantised_copy(workload.model, 8))
    least: dict[Task, Callable[[Any], Any]] = {
        Task.EMBEDDING: lambda request: int8.run(request).output,
        Task.CLASSIFICATION: lambda request: int(workload.run(request).trace.values[0, -3:].argmin()),
    }
    cheats: dict[str, Server] = {"int8": HonestProvider(int8), "other output": OtherOutput(workload, least[task])}
    return Work(specification, workload, [EncodingRequest(sequence) for sequence in sequences], cheats)


def images(store: ModelStore, directory: Path) -> Work:
    sizes = DiffusionArchitecture(vocabulary=VOCABULARY, context=5, side=4, columns=32, steps=4)
    recipe = DiffusionRecipe(sizes, decoder_steps=150, steps=150)
    (directory / "config.json").write_text(json.dumps(asdict(sizes)))
    diffusion_weights(recipe, directory).rename(directory / "model.safetensors")
    numeric_class = NumericClass("cpu", "float16")
    registered = register_files(store, directory, numeric_class=numeric_class, generation=None, task=Task.IMAGE)
    identity = calibrate_image_model(store, registered.identity, prompts(80, seed=1), TERMS).identity
    specification = Specification("inference", Task.IMAGE, identity)
    workload: Any = load_workload(store, specification)
    smaller: LatentDiffusion = copy.copy(workload.model)
    smaller._modules = {**smaller._modules, "blocks": smaller.blocks[:-1]}

    def marked(request: Any) -> bytes:
        picture = bytearray(workload.run(request).output)
        picture[:12] = bytes(255 - value // 128 * 255 for value in picture[:12])
        return bytes(picture)

    cheats: dict[str, Server] = {
        "int8": HonestProvider(running(workload, quantised_copy(workload.model, 8))),
        "smaller model": HonestProvider(running(workload, smaller)),
        "other output": OtherOutput(workload, marked),
    }
    return Work(specification, workload, prompts(LEAVES, seed=2), cheats)


def toploc(models: DemonstrationModels) -> Work:
    model = models.registered.model
    assert isinstance(model, Gpt)
    corpus, int4 = standard_library_corpus(), quantised_copy(model, 4)
    asked = sample_requests(corpus, 80, model.context, seed=3)
    trial = TextTrial(model, RULE.sampling(), END_TOKEN, asked, TERMS, toploc=True)
    manifest = models.registered.manifest.calibrated(trial.calibrate({"int4": int4}, {}))
    workload = ToplocTextGeneration(Registered(manifest, model))
    cheaper = copy.copy(workload)
    cheaper._text = running(workload._text, int4)
    made_up = ToplocProof(65497, (0x4040,) + (0,) * (TOP - 1)).to_bytes()

    def unproven(request: Any) -> Any:
        output = workload.run(request).output
        return replace(output, proofs=(made_up,) * len(output.proofs))

    cheats: dict[str, Server] = {"int4": HonestProvider(cheaper), "other output": OtherOutput(workload, unproven)}
    requests = sample_requests(corpus, LEAVES, model.context, seed=4)
    return Work(Specification("inference", NAME, manifest.identity), workload, requests, cheats)


@pytest.fixture(scope="module")
def works(models: DemonstrationModels, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Work]:
    torch.set_num_threads(1)
    store = ModelStore(tmp_path_factory.mktemp("models"))
    return {
        "embedding": encoder(store, tmp_path_factory.mktemp("embedder"), Task.EMBEDDING, AutoModel),
        "classification": encoder(
            store,
            tmp_path_factory.mktemp("classifier"),
            Task.CLASSIFICATION,
            AutoModelForSequenceClassification,
        ),
        "images": images(store, tmp_path_factory.mktemp("diffusion")),
        "toploc": toploc(models),
    }


def audited(rehearsal: Rehearsal, work: Work, server: Server) -> tuple[Report, ChecksumAddress]:
    """A batch of a provider before an honest committee, and the provider's address."""
    with rehearsal.scene(workload=work.workload, specification=work.specification, requests=work.requests) as scene:
        provider = scene.cast.providers[0]
        scene.enter_provider(provider, server)
        for account in scene.cast.committee:
            scene.enter_verifier(account)
        scene.order(provider, scene.open_job(scene.cast.requester), LEAVES)
        return scene.settle(), provider.address


@pytest.mark.parametrize("kind", ["embedding", "classification", "images", "toploc"])
def test_honest_provider__paid_and_nobody_slashed(rehearsal: Rehearsal, works: dict[str, Work], kind: str) -> None:
    report, provider = audited(rehearsal, works[kind], HonestProvider(works[kind].workload))
    assert [batch.outcome for batch in report.batches] == ["pass"]
    assert report.credits[provider] > 0
    assert not any(report.slashed.values())


@pytest.mark.parametrize(
    ("kind", "cheat"),
    [
        ("embedding", "int8"),
        ("embedding", "other output"),
        ("classification", "int8"),
        ("classification", "other output"),
        ("images", "int8"),
        ("images", "smaller model"),
        ("images", "other output"),
        ("toploc", "int4"),
        ("toploc", "other output"),
    ],
)
def test_cheating_provider__caught_and_nobody_else_slashed(
    rehearsal: Rehearsal, works: dict[str, Work], kind: str, cheat: str
) -> None:
    report, provider = audited(rehearsal, works[kind], works[kind].cheats[cheat])
    assert [batch.outcome for batch in report.batches] == ["fraud"]
    assert report.credits[provider] == 0
    assert {account for account, amount in report.slashed.items() if amount} == {provider}
