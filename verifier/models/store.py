"""A directory of models: manifests and weights, each under the hash of its content."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue, TypeAdapter

from chain.contribution import canonical_json
from verifier.models.causal import CausalModel
from verifier.models.encoder import Encoder
from verifier.models.errors import ModelError
from verifier.models.gpt import GptArchitecture, load_gpt
from verifier.models.manifest import GenerationRule, Manifest
from verifier.models.numeric_class import NumericClass
from verifier.models.profile import Profile

Model = TypeVar("Model")
Loader = Callable[[Mapping[str, JsonValue], Path, NumericClass], Model]


@dataclass(frozen=True)
class RegisteredModel:
    """A model that is ready to run, with the manifest that it was loaded by."""

    manifest: Manifest
    model: CausalModel


@dataclass(frozen=True)
class RegisteredEncoder:
    """The same of an encoder."""

    manifest: Manifest
    model: Encoder


class ModelStore:
    """Manifests as `<hash>.json` and weights as `<hash>.safetensors` below one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def register(
        self,
        weights: Path,
        *,
        family: str,
        architecture: Mapping[str, JsonValue],
        tokenizer: str,
        numeric_class: NumericClass,
        generation: GenerationRule | None,
    ) -> Manifest:
        """Copies the weights in and writes a manifest without a profile. Raises ModelError for unusable weights."""
        data = weights.read_bytes()
        manifest = Manifest(
            family=family,
            architecture=dict(architecture),
            weights=hashlib.sha256(data).hexdigest(),
            tokenizer=tokenizer,
            numeric_class=str(numeric_class),
            generation=generation,
        )
        self._write(self._weights_path(manifest.weights), data)
        self._load(manifest, {**_CAUSAL, **_ENCODERS})
        self._save(manifest)
        return manifest

    def add_profile(self, manifest: Manifest, profile: Profile) -> Manifest:
        """Writes the manifest with its profile, which is what a job can name."""
        calibrated = manifest.calibrated(profile)
        self._save(calibrated)
        return calibrated

    def manifest(self, identity: bytes) -> Manifest:
        """Raises ModelError when there is none of that hash or its file was changed."""
        path = self.directory / f"{identity.hex()}.json"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise ModelError(f"no model {identity.hex()} in {self.directory}; register it first") from None
        if hashlib.sha256(data).digest() != identity:
            raise ModelError(f"{path} does not have the hash that it is named by; fetch the manifest again")
        return Manifest.from_bytes(data)

    def load(self, identity: bytes) -> RegisteredModel:
        """The causal model of a manifest, in its numeric class. Raises ModelError when it cannot be loaded."""
        manifest = self.manifest(identity)
        return RegisteredModel(manifest, self._load(manifest, _CAUSAL))

    def load_encoder(self, identity: bytes) -> RegisteredEncoder:
        """The encoder of a manifest, in its numeric class. Raises ModelError when it cannot be loaded."""
        manifest = self.manifest(identity)
        return RegisteredEncoder(manifest, self._load(manifest, _ENCODERS))

    def _load(self, manifest: Manifest, families: Mapping[str, Loader[Model]]) -> Model:
        """Raises ModelError when weights are missing, changed, or not of the manifest's architecture."""
        path = self._weights_path(manifest.weights)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise ModelError(f"the weights {manifest.weights} are not in {self.directory}; fetch them first") from None
        if hashlib.sha256(data).hexdigest() != manifest.weights:
            raise ModelError(f"{path} does not have the hash that it is named by; fetch the weights again")
        load = families.get(manifest.family)
        if load is None:
            raise ModelError(f"models of family {manifest.family!r} cannot be run here for this work")
        try:
            return load(manifest.architecture, path, manifest.numeric())
        except Exception as error:  # whatever hostile files provoke in a loader means the same thing
            raise ModelError(f"the weights {manifest.weights} do not fit the manifest: {error}") from error

    def _weights_path(self, digest: str) -> Path:
        return self.directory / f"{digest}.safetensors"

    def _save(self, manifest: Manifest) -> None:
        self._write(self.directory / f"{manifest.identity.hex()}.json", manifest.to_bytes())

    def _write(self, path: Path, data: bytes) -> None:
        """Atomically, so that a crash leaves no file whose content is not what its name says."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            descriptor, unfinished = tempfile.mkstemp(dir=self.directory)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            Path(unfinished).replace(path)
        except OSError as error:
            raise ModelError(f"cannot write to {self.directory}: {error.strerror}; name a folder of yours") from error


def _load_gpt(architecture: Mapping[str, JsonValue], weights: Path, numeric_class: NumericClass) -> CausalModel:
    sizes = TypeAdapter(GptArchitecture).validate_json(canonical_json(architecture), strict=True)
    return load_gpt(sizes, weights, numeric_class)


def _load_transformers(config: Mapping[str, JsonValue], weights: Path, numeric_class: NumericClass) -> CausalModel:
    with _transformers():
        from verifier.models.transformers_model import load_transformers  # noqa: PLC0415
    return load_transformers(config, weights, numeric_class)


def _load_embedder(config: Mapping[str, JsonValue], weights: Path, numeric_class: NumericClass) -> Encoder:
    with _transformers():
        from verifier.models.transformers_encoder import load_embedder  # noqa: PLC0415
    return load_embedder(config, weights, numeric_class)


def _load_classifier(config: Mapping[str, JsonValue], weights: Path, numeric_class: NumericClass) -> Encoder:
    with _transformers():
        from verifier.models.transformers_encoder import load_classifier  # noqa: PLC0415
    return load_classifier(config, weights, numeric_class)


@contextmanager
def _transformers() -> Iterator[None]:
    """For importing the library: an extra that only those install who run its models, and seconds to import."""
    try:
        yield
    except ImportError:
        raise ModelError("models of this family need the extra `merit[transformers]`; install it") from None


_CAUSAL: dict[str, Loader[CausalModel]] = {
    "merit-gpt": _load_gpt,
    "transformers": _load_transformers,
}
_ENCODERS: dict[str, Loader[Encoder]] = {
    "transformers-embedding": _load_embedder,
    "transformers-classification": _load_classifier,
}
