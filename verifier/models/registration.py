"""What `merit model register | calibrate | show` do."""

import copy
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from verifier.models.answer_calibration import AnswerTrial
from verifier.models.calibration import CalibrationTerms
from verifier.models.causal import CausalModel
from verifier.models.cheaper import quantised_copy
from verifier.models.diffusion import ImageRequest, LatentDiffusion, paint
from verifier.models.encoder import Encoder, encode
from verifier.models.errors import ModelError
from verifier.models.generation import TextRequest
from verifier.models.manifest import GenerationRule, Manifest
from verifier.models.numeric_class import NumericClass
from verifier.models.profile import Histogram
from verifier.models.store import ModelStore
from verifier.models.task import Task
from verifier.models.text_calibration import TextTrial
from verifier.models.weights import weight_files

FAMILIES = {
    Task.TEXT: "transformers",
    Task.EMBEDDING: "transformers-embedding",
    Task.CLASSIFICATION: "transformers-classification",
    Task.IMAGE: "merit-diffusion",
}
_BARS = 60
_LINES = 32


def register_files(
    store: ModelStore,
    directory: Path,
    *,
    numeric_class: NumericClass,
    generation: GenerationRule | None,
    task: Task = Task.TEXT,
) -> Manifest:
    """Registers a directory with `config.json` and weights, in one file or several, as `transformers` saves one.

    For a model of images, `config.json` holds the fields of a `DiffusionArchitecture`. generation: for a model that
    generates text, and for no other. Raises ModelError when files are missing, do not fit each other, or name code of
    their own.
    """
    if (generation is None) == (task is Task.TEXT):
        raise ModelError("name the end token of a model that generates text, and of no other")
    config_path, weights = directory / "config.json", weight_files(directory)
    try:
        config = json.loads(config_path.read_bytes())
    except FileNotFoundError:
        raise ModelError(f"{config_path} does not exist; save it beside the weights") from None
    except ValueError as error:
        raise ModelError(f"{config_path} is not JSON: {error}") from None
    return store.register(
        weights,
        family=FAMILIES[task],
        architecture=config,
        tokenizer="token ids",
        numeric_class=numeric_class,
        generation=generation,
    )


def calibrate_model(
    store: ModelStore,
    identity: bytes,
    requests: Sequence[TextRequest],
    terms: CalibrationTerms,
    smaller_models: Mapping[str, CausalModel] | None = None,
    toploc: bool = False,
) -> Manifest:
    """Calibrates a registered model against cheaper copies of itself, and stores the manifest with its profile.

    The copies are int8 and int4 weights and an fp8 cache; tokens of the int4 copy are what the margins must refuse.
    smaller_models: others to tell from it, by trace and by tokens. toploc: for contributors who commit to TOPLOC
    proofs. Raises ModelError or CalibrationError.
    """
    registered = store.load(identity)
    model = registered.model
    if not isinstance(model, nn.Module):
        raise ModelError("only a model whose weights can be read is calibrated")
    int4 = quantised_copy(model, 4)
    coarse = copy.copy(model)
    coarse.cache_type = torch.float8_e4m3fn
    others = dict(smaller_models or {})
    rule = registered.manifest.text_rule()
    trial = TextTrial(model, rule.sampling(), rule.end_token, requests, terms, toploc)
    profile = trial.calibrate(
        fingerprint_cheats={"int8": quantised_copy(model, 8), "int4": int4, "fp8 cache": coarse, **others},
        token_cheats={"int4": int4, **others},
    )
    return store.add_profile(registered.manifest, profile)


def calibrate_encoder(
    store: ModelStore, identity: bytes, sequences: Sequence[tuple[int, ...]], terms: CalibrationTerms
) -> Manifest:
    """The same of an encoder on sequences of tokens, against int8 and int4 copies of it.

    Their lengths should vary: what separates honest runs of an encoder is mostly how its batches are padded.
    """
    registered = store.load_encoder(identity)
    model = registered.model
    if not isinstance(model, nn.Module):
        raise ModelError("only a model whose weights can be read is calibrated")
    cheats = {"int8": quantised_copy(model, 8), "int4": quantised_copy(model, 4)}
    trial = AnswerTrial[Encoder, tuple[int, ...]](model, encode, model.labels > 0, sequences, terms)
    return store.add_profile(registered.manifest, trial.calibrate(cheats))


def calibrate_image_model(
    store: ModelStore, identity: bytes, requests: Sequence[ImageRequest], terms: CalibrationTerms
) -> Manifest:
    """The same of a model of images, whose prompts should vary in length as those of an encoder."""
    registered = store.load_image_model(identity)
    cheats = {"int8": quantised_copy(registered.model, 8), "int4": quantised_copy(registered.model, 4)}
    trial = AnswerTrial[LatentDiffusion, ImageRequest](registered.model, paint, False, requests, terms)
    return store.add_profile(registered.manifest, trial.calibrate(cheats))


def random_requests(model: CausalModel, count: int, seed: int) -> list[TextRequest]:
    """Requests of random tokens, for want of text: half of the context as prompt, a quarter of it as output."""
    draw = random.Random(seed)  # noqa: S311 - test material, not a secret
    length = min(model.context // 2, 512)
    prompts = [[draw.randrange(model.vocabulary) for _ in range(length)] for _ in range(count)]
    return prompted_requests(model, prompts, count, seed)


def prompted_requests(model: CausalModel, prompts: Sequence[Any], count: int, seed: int) -> list[TextRequest]:
    """The first `count` prompts as requests for a quarter of the context.

    What honest runs differ by depends on what is asked: a calibration holds for requests like its own.
    Raises ModelError when there are fewer, or one that is not a list of tokens which leaves room for the output.
    """
    output = min(model.context // 4, 256)
    draw = random.Random(seed)  # noqa: S311 - test material, not a secret
    checked = _checked(prompts, count, model.context - output, model.vocabulary)
    return [TextRequest(prompt, output, draw.getrandbits(64)) for prompt in checked]


def random_sequences(model: Encoder, count: int, seed: int) -> list[tuple[int, ...]]:
    """Sequences of random tokens, for want of text, of all lengths up to the context."""
    draw = random.Random(seed)  # noqa: S311 - test material, not a secret
    return [
        tuple(draw.randrange(model.vocabulary) for _ in range(draw.randint(1, model.context))) for _ in range(count)
    ]


def prompted_sequences(model: Encoder, inputs: Sequence[Any], count: int) -> list[tuple[int, ...]]:
    """The first `count` inputs of an encoder. Raises ModelError as `prompted_requests` does."""
    return _checked(inputs, count, model.context, model.vocabulary)


def random_image_requests(model: LatentDiffusion, count: int, seed: int) -> list[ImageRequest]:
    """Prompts of random words, for want of others, of all lengths up to the context."""
    draw = random.Random(seed)  # noqa: S311 - test material, not a secret
    sizes = model.architecture
    prompts = [[draw.randrange(sizes.vocabulary) for _ in range(draw.randint(1, sizes.context))] for _ in range(count)]
    return prompted_image_requests(model, prompts, count, seed)


def prompted_image_requests(
    model: LatentDiffusion, prompts: Sequence[Any], count: int, seed: int
) -> list[ImageRequest]:
    """The first `count` prompts as requests for images. Raises ModelError as `prompted_requests` does."""
    draw = random.Random(seed)  # noqa: S311 - as above
    checked = _checked(prompts, count, model.architecture.context, model.architecture.vocabulary)
    return [ImageRequest(prompt, draw.getrandbits(64)) for prompt in checked]


def _checked(inputs: Sequence[Any], count: int, longest: int, vocabulary: int) -> list[tuple[int, ...]]:
    if len(inputs) < count:
        raise ModelError(f"{count} prompts are needed and {len(inputs)} are given; give more or ask for fewer requests")
    for number, tokens in enumerate(inputs[:count], 1):
        if not (
            isinstance(tokens, list)
            and 1 <= len(tokens) <= longest
            and all(type(token) is int and 0 <= token < vocabulary for token in tokens)
        ):
            raise ModelError(f"prompt {number} is not a list of 1 to {longest} tokens below {vocabulary}")
    return [tuple(tokens) for tokens in inputs[:count]]


def describe(manifest: Manifest) -> str:
    """A manifest for people: what it runs, and how far honest runs and cheats are apart."""
    lines = [
        f"model          {manifest.identity.hex()}",
        f"family         {manifest.family}",
        *(f"weights        {digest}" for digest in manifest.weights),
        f"numeric class  {manifest.numeric_class}",
    ]
    if manifest.generation is not None:
        rule = manifest.generation
        lines.append(
            f"sampling       temperature {rule.temperature}, top-p {rule.top_p}, ends at token {rule.end_token}"
        )
    if manifest.profile_document is None:
        return "\n".join([*lines, "profile        none; run `merit model calibrate`"])
    profile = manifest.profile()
    bands, report = profile.bands, profile.report
    lines += [
        f"digest         {profile.lattice.words} words of 256 bits for each {profile.lattice.chunk_rows} rows",
        f"bands          tau {bands.tau}, soft {bands.soft}, hard {bands.hard} of {profile.lattice.bits} bits",
        f"margins        mean {profile.margins.mean:.4g}, peak {profile.margins.peak:.4g}",
        f"false alarms   at most {report.false_alarm:.2%} of honest leaves beyond the honest band, "
        f"{report.honest.share_above(bands.hard):.2%} of {report.honest.total} beyond hard",
    ]
    if profile.toploc is not None:
        limits = profile.toploc
        lines.append(f"TOPLOC         soft {limits.soft:.4g}, hard {limits.hard:.4g} of a mantissa's 128 steps")
    lines += [
        f"detection      {name}: {share:.2%} of {report.cheats[name].total} leaves"
        for name, share in profile.detection.items()
    ]
    lines += [f"token check    {name}: {share:.2%} of outputs" for name, share in report.token_cheats.items()]
    closest = min(report.cheats, key=lambda name: report.cheats[name].mean)
    return "\n".join([*lines, "", *_histograms(report.honest, closest, report.cheats[closest])])


def _histograms(honest: Histogram, name: str, cheat: Histogram) -> list[str]:
    """Honest leaves and the closest cheat's side by side, by distance."""
    bits = len(honest.counts)
    step = -(-bits // _LINES)
    ours = [sum(honest.counts[i : i + step]) / honest.total for i in range(0, bits, step)]
    theirs = [sum(cheat.counts[i : i + step]) / cheat.total for i in range(0, bits, step)]
    half = _BARS // 2
    scale = half / max(*ours, *theirs)
    rows = [f"{'bits':>9}  {'honest':<{half}} {name}"]
    for index, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        if a or b:
            place = f"{index * step}-{min(bits, (index + 1) * step) - 1}"
            rows.append(f"{place:>9}  {'#' * round(a * scale):<{half}} {'x' * round(b * scale)}".rstrip())
    return rows
