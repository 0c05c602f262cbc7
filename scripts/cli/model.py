"""`merit model`: register a model from local files, calibrate its fingerprint, see what tells it from cheaper ones."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.cli.options import AsJson
from verifier.models.task import Task

if TYPE_CHECKING:
    from verifier.models.manifest import Manifest

app = typer.Typer(help="Register models, calibrate their fingerprints.", no_args_is_help=True)

Models = Annotated[
    Path, typer.Option("--models", envvar="MERIT_MODELS_DIRECTORY", help="Directory of registered models.")
]
Identity = Annotated[str, typer.Argument(help="What `merit model register` or `calibrate` printed.")]
_MODELS = Path("models")


@app.command()
def register(
    directory: Annotated[Path, typer.Argument(help="Directory with config.json and safetensors weights.")],
    numeric_class: Annotated[str, typer.Option(help="Device and type of all arithmetic, such as cpu-bfloat16.")],
    task: Annotated[Task, typer.Option(help="What the model does.")] = Task.TEXT,
    end_token: Annotated[int | None, typer.Option(help="Token that ends a text.")] = None,
    temperature: Annotated[float, typer.Option(help="Of the sampling of text; 0 is greedy.")] = 1.0,
    top_p: Annotated[float, typer.Option(help="Probability of the tokens that text is drawn from; 1 for all.")] = 1.0,
    models: Models = _MODELS,
) -> None:
    """Copy a model's files into the models' directory; prints its identity."""
    from pydantic import ValidationError  # noqa: PLC0415 - the other commands need neither torch nor models

    from verifier.models.errors import ModelError  # noqa: PLC0415
    from verifier.models.manifest import GenerationRule  # noqa: PLC0415
    from verifier.models.numeric_class import NumericClass  # noqa: PLC0415
    from verifier.models.registration import register_files  # noqa: PLC0415
    from verifier.models.store import ModelStore  # noqa: PLC0415

    rule = None
    try:
        if end_token is not None:
            rule = GenerationRule(end_token=end_token, temperature=temperature, top_p=top_p)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise ModelError(f"--{str(wrong['loc'][0]).replace('_', '-')}: {wrong['msg']}.") from None
    parsed = NumericClass.parse(numeric_class)
    manifest = register_files(ModelStore(models), directory, numeric_class=parsed, generation=rule, task=task)
    typer.echo(manifest.identity.hex())


@app.command()
def calibrate(
    identity: Identity,
    false_alarm: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="Share of honest leaves that may fall outside the honest band.")
    ] = 0.01,
    words: Annotated[int, typer.Option(min=1, max=4, help="256-bit words in a digest.")] = 2,
    prompts: Annotated[
        Path | None,
        typer.Option(help="File with an input a line, each a JSON list of token ids; random tokens if none."),
    ] = None,
    requests: Annotated[
        int | None, typer.Option(min=1, help="Runs of each model; by default four over the false alarm rate.")
    ] = None,
    batches: Annotated[str, typer.Option(help="Batch sizes of the honest runs.")] = "1,8,32",
    threads: Annotated[str, typer.Option(help="Numbers of threads of the honest runs.")] = "1,2",
    toploc: Annotated[
        bool, typer.Option("--toploc", help="For contributors who commit to TOPLOC proofs, of text only.")
    ] = False,
    models: Models = _MODELS,
) -> None:
    """Run the model and cheaper copies of it, and fix the thresholds between them; prints the new identity.

    Nothing is written where the bands of honest runs and of a cheaper copy overlap.
    """
    from verifier.models.calibration import CalibrationTerms  # noqa: PLC0415 - as above
    from verifier.models.errors import ModelError  # noqa: PLC0415
    from verifier.models.registration import (  # noqa: PLC0415
        FAMILIES,
        calibrate_encoder,
        calibrate_image_model,
        calibrate_model,
        describe,
        prompted_image_requests,
        prompted_requests,
        prompted_sequences,
        random_image_requests,
        random_requests,
        random_sequences,
    )
    from verifier.models.store import ModelStore  # noqa: PLC0415

    store = ModelStore(models)
    terms = CalibrationTerms(
        false_alarm, words, batches=_counts("batches", batches), threads=_counts("threads", threads)
    )
    name, given = _identity(identity), None if prompts is None else _prompts(prompts)
    runs = requests or math.ceil(4 / false_alarm)
    typer.echo(f"Running the model and cheaper copies of it on {runs} requests each.", err=True)
    registered = store.manifest(name)
    if toploc and registered.generation is None:
        raise ModelError("TOPLOC proofs are of text; leave out --toploc")
    if registered.family == FAMILIES[Task.IMAGE]:
        painter = store.load_image_model(name).model
        wanted = (
            random_image_requests(painter, runs, 0)
            if given is None
            else prompted_image_requests(painter, given, runs, 0)
        )
        manifest = calibrate_image_model(store, name, wanted, terms)
    elif registered.generation is None:
        encoder = store.load_encoder(name).model
        sequences = random_sequences(encoder, runs, 0) if given is None else prompted_sequences(encoder, given, runs)
        manifest = calibrate_encoder(store, name, sequences, terms)
    else:
        model = store.load(name).model
        asked = random_requests(model, runs, 0) if given is None else prompted_requests(model, given, runs, 0)
        manifest = calibrate_model(store, name, asked, terms, toploc=toploc)
    typer.echo(describe(manifest), err=True)
    typer.echo(manifest.identity.hex())


@app.command()
def show(identity: Identity, models: Models = _MODELS, as_json: AsJson = False) -> None:
    """Show what a registered model runs, its thresholds, and how far honest runs and cheaper copies are apart."""
    from verifier.models.registration import describe  # noqa: PLC0415 - as above
    from verifier.models.store import ModelStore  # noqa: PLC0415

    manifest = ModelStore(models).manifest(_identity(identity))
    typer.echo(json.dumps(_told(manifest)) if as_json else describe(manifest))


def _told(manifest: "Manifest") -> dict[str, Any]:
    told: dict[str, Any] = manifest.model_dump(mode="json", exclude={"profile_document"})
    told |= {"identity": manifest.identity.hex(), "profile": None}
    if manifest.profile_document is not None:
        profile = manifest.profile()
        told["profile"] = {
            "words": profile.lattice.words,
            "bands": asdict(profile.bands),
            "margins": asdict(profile.margins),
            "detection": profile.detection,
            "toploc": None if profile.toploc is None else asdict(profile.toploc),
            "report": asdict(profile.report),
        }
    return told


def _identity(text: str) -> bytes:
    from verifier.models.errors import ModelError  # noqa: PLC0415 - as above

    try:
        identity = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        identity = b""
    if len(identity) != 32:
        raise ModelError(f"{text} is not a model's identity; write the 64 hexadecimal digits that register printed.")
    return identity


def _counts(option: str, text: str) -> tuple[int, ...]:
    from verifier.models.errors import ModelError  # noqa: PLC0415 - as above

    if not all(word.isdecimal() and 1 <= int(word) <= 1024 for word in text.split(",")):
        raise ModelError(f"--{option} {text} cannot be read; write whole numbers from 1 to 1024, such as 1,8.")
    return tuple(int(word) for word in text.split(","))


def _prompts(path: Path) -> list[Any]:
    from verifier.models.errors import ModelError  # noqa: PLC0415 - as above

    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        raise ModelError(f"Cannot read {path}; write a JSON list of token ids on each line.") from error
