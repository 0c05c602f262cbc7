"""The models of the demonstration and of the tests: a small GPT, its cheap stand-ins, and its profile."""

import hashlib
import json
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from verifier.models.calibration import CalibrationTerms
from verifier.models.causal import CausalModel
from verifier.models.cheaper import quantised_copy
from verifier.models.generation import TextRequest
from verifier.models.gpt import Gpt, GptArchitecture, load_gpt
from verifier.models.manifest import GenerationRule
from verifier.models.numeric_class import NumericClass
from verifier.models.store import ModelStore, Registered
from verifier.models.text_calibration import TextTrial
from verifier.models.training import END_TOKEN, Recipe, standard_library_corpus, trained_weights

NUMERIC_CLASS = NumericClass("cpu", "bfloat16")
RULE = GenerationRule(end_token=END_TOKEN, temperature=0.8, top_p=1.0)
# Raised when calibration or manifests change, so that those of an earlier version are not taken from the directory.
_CALIBRATION_VERSION = 5


@dataclass(frozen=True)
class DemonstrationSizes:
    """How large the two models are and how carefully the first is calibrated."""

    recipe: Recipe = field(default_factory=lambda: Recipe(GptArchitecture()))
    small_recipe: Recipe = field(default_factory=lambda: Recipe(GptArchitecture(layers=1), steps=200))
    requests: int = 200
    terms: CalibrationTerms = field(
        default_factory=lambda: CalibrationTerms(false_alarm=0.01, words=2, batches=(1, 16), threads=(1,))
    )


@dataclass(frozen=True)
class DemonstrationModels:
    """registered: calibrated, and in the store under `registered.manifest.identity`. The others are what cheats run."""

    registered: Registered[CausalModel]
    int8: Gpt
    small: Gpt


def demonstration_models(
    directory: Path,
    sizes: DemonstrationSizes | None = None,
    progress: Callable[[str], None] | None = None,
) -> DemonstrationModels:
    """Trains, registers and calibrates in `directory`, or loads what an earlier call left there.

    progress: called with a line at each step.
    """
    sizes = sizes or DemonstrationSizes()
    tell = progress or (lambda line: None)
    corpus = standard_library_corpus()
    store = ModelStore(directory)
    weights = trained_weights(sizes.recipe, corpus, directory, _steps(tell, "the model", sizes.recipe))
    small_weights = trained_weights(
        sizes.small_recipe, corpus, directory, _steps(tell, "the smaller model", sizes.small_recipe)
    )
    small = load_gpt(sizes.small_recipe.architecture, [small_weights], NUMERIC_CLASS)
    decisive = [_CALIBRATION_VERSION, asdict(sizes), str(NUMERIC_CLASS), RULE.model_dump(), torch.__version__]
    told = json.dumps(decisive, sort_keys=True).encode()
    pointer = directory / f"{hashlib.sha256(told + corpus).hexdigest()[:32]}.calibrated"
    if pointer.exists():
        registered = store.load(bytes.fromhex(pointer.read_text()))
        assert isinstance(registered.model, Gpt)
        return DemonstrationModels(registered, quantised_copy(registered.model, 8), small)
    architecture = asdict(sizes.recipe.architecture)
    manifest = store.register(
        [weights],
        family="merit-gpt",
        architecture=architecture,
        tokenizer="bytes",
        numeric_class=NUMERIC_CLASS,
        generation=RULE,
    )
    model = load_gpt(sizes.recipe.architecture, [weights], NUMERIC_CLASS)
    int8 = quantised_copy(model, 8)
    tell("calibrating the fingerprint")
    requests = sample_requests(corpus, sizes.requests, sizes.recipe.architecture.context, seed=1)
    trial = TextTrial(model, RULE.sampling(), END_TOKEN, requests, sizes.terms)
    profile = trial.calibrate(fingerprint_cheats={"int8": int8, "small": small}, token_cheats={"small": small})
    calibrated = store.add_profile(manifest, profile)
    pointer.write_text(calibrated.identity.hex())
    return DemonstrationModels(Registered(calibrated, model), int8, small)


def _steps(tell: Callable[[str], None], name: str, recipe: Recipe) -> Callable[[int, float], None]:
    """Tells of every hundredth step of a training."""

    def progress(step: int, loss: float) -> None:
        if step % 100 == 0:
            tell(f"training {name}, step {step} of {recipe.steps}, {loss:.2f} nats a byte")

    return progress


def sample_requests(corpus: bytes, count: int, context: int, seed: int) -> list[TextRequest]:
    """Requests to continue random places of the corpus: prompts of 3/8 of the context, outputs of 1/4 to 1/2 of it."""
    draw = random.Random(seed)  # noqa: S311 - test material, not a secret
    length = 3 * context // 8
    requests = []
    for _ in range(count):
        start = draw.randrange(len(corpus) - length)
        prompt = tuple(corpus[start : start + length])
        requests.append(TextRequest(prompt, draw.randint(context // 4, context // 2), draw.getrandbits(64)))
    return requests
