"""A directory of models: manifests and weights, each under the hash of its content."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import JsonValue, TypeAdapter

from chain.contribution import canonical_json
from verifier.models.causal import CausalModel
from verifier.models.diffusion import DiffusionArchitecture, LatentDiffusion, load_diffusion
from verifier.models.encoder import Encoder
from verifier.models.errors import ModelError
from verifier.models.gpt import GptArchitecture, load_gpt
from verifier.models.manifest import GenerationRule, Manifest
from verifier.models.numeric_class import NumericClass
from verifier.models.profile import Profile

Model = TypeVar("Model")
Loader = Callable[[Mapping[str, JsonValue], Sequence[Path], NumericClass], Model]


@dataclass(frozen=True)
class Registered(Generic[Model]):
    """A model that is ready to run, with the manifest that it was loaded by."""

    manifest: Manifest
    model: Model


class ModelStore:
    """Manifests as `<hash>.json` and weights as `<hash>.safetensors` below one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def register(
        self,
        weights: Sequence[Path],
        *,
        family: str,
        architecture: Mapping[str, JsonValue],
        tokenizer: str,
        numeric_class: NumericClass,
        generation: GenerationRule | None,
    ) -> Manifest:
        """Copies the weights in and writes a manifest without a profile. Raises ModelError for unusable weights."""
        manifest = Manifest(
            family=family,
            architecture=dict(architecture),
            weights=tuple(sorted({self._take_in(path) for path in weights})),
            tokenizer=tokenizer,
            numeric_class=str(numeric_class),
            generation=generation,
        )
        self._load(manifest, {**_CAUSAL, **_ENCODERS, **_IMAGES})
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

    def load(self, identity: bytes) -> Registered[CausalModel]:
        """The causal model of a manifest, in its numeric class. Raises ModelError when it cannot be loaded."""
        return self._registered(identity, _CAUSAL)

    def load_encoder(self, identity: bytes) -> Registered[Encoder]:
        """The encoder of a manifest, likewise."""
        return self._registered(identity, _ENCODERS)

    def load_image_model(self, identity: bytes) -> Registered[LatentDiffusion]:
        """The diffusion model of a manifest, likewise."""
        return self._registered(identity, _IMAGES)

    def _registered(self, identity: bytes, families: Mapping[str, Loader[Model]]) -> Registered[Model]:
        manifest = self.manifest(identity)
        return Registered(manifest, self._load(manifest, families))

    def _load(self, manifest: Manifest, families: Mapping[str, Loader[Model]]) -> Model:
        """Raises ModelError when weights are missing, changed, or not of the manifest's architecture."""
        load = families.get(manifest.family)
        if load is None:
            raise ModelError(f"models of family {manifest.family!r} cannot be run here for this work")
        paths = [self._weights_path(digest) for digest in manifest.weights]
        for digest, path in zip(manifest.weights, paths, strict=True):
            if not path.is_file():
                raise ModelError(f"the weights {digest} are not in {self.directory}; fetch them first")
            if _file_digest(path) != digest:
                raise ModelError(f"{path} does not have the hash that it is named by; fetch the weights again")
        try:
            return load(manifest.architecture, paths, manifest.numeric())
        except Exception as error:  # whatever hostile files provoke in a loader means the same thing
            raise ModelError(f"the weights {', '.join(manifest.weights)} do not fit the manifest: {error}") from error

    def _weights_path(self, digest: str) -> Path:
        return self.directory / f"{digest}.safetensors"

    def _save(self, manifest: Manifest) -> None:
        with self._unfinished() as path:
            path.write_bytes(manifest.to_bytes())
            path.replace(self.directory / f"{manifest.identity.hex()}.json")

    def _take_in(self, weights: Path) -> str:
        """Copies a file, which may be larger than the memory, and returns the hash of the copy."""
        with self._unfinished() as path:
            shutil.copyfile(weights, path)
            digest = _file_digest(path)
            path.replace(self._weights_path(digest))
        return digest

    @contextmanager
    def _unfinished(self) -> Iterator[Path]:
        """A file to be renamed when whole, so that a crash leaves none whose content is not what its name says."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self.directory)
            os.close(descriptor)
            try:
                yield Path(name)
            finally:
                Path(name).unlink(missing_ok=True)
        except OSError as error:
            raise ModelError(f"cannot write to {self.directory}: {error.strerror}; name a folder of yours") from error


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load_gpt(architecture: Mapping[str, JsonValue], weights: Sequence[Path], numeric: NumericClass) -> CausalModel:
    sizes = TypeAdapter(GptArchitecture).validate_json(canonical_json(architecture), strict=True)
    return load_gpt(sizes, weights, numeric)


def _load_diffusion(
    architecture: Mapping[str, JsonValue], weights: Sequence[Path], numeric: NumericClass
) -> LatentDiffusion:
    sizes = TypeAdapter(DiffusionArchitecture).validate_json(canonical_json(architecture), strict=True)
    return load_diffusion(sizes, weights, numeric)


def _load_transformers(config: Mapping[str, JsonValue], weights: Sequence[Path], numeric: NumericClass) -> CausalModel:
    with _transformers():
        from verifier.models.transformers_model import load_transformers  # noqa: PLC0415
    return load_transformers(config, weights, numeric)


def _load_embedder(config: Mapping[str, JsonValue], weights: Sequence[Path], numeric: NumericClass) -> Encoder:
    with _transformers():
        from verifier.models.transformers_encoder import load_embedder  # noqa: PLC0415
    return load_embedder(config, weights, numeric)


def _load_classifier(config: Mapping[str, JsonValue], weights: Sequence[Path], numeric: NumericClass) -> Encoder:
    with _transformers():
        from verifier.models.transformers_encoder import load_classifier  # noqa: PLC0415
    return load_classifier(config, weights, numeric)


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
_IMAGES: dict[str, Loader[LatentDiffusion]] = {"merit-diffusion": _load_diffusion}
