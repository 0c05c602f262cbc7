"""A model as data: one JSON document, named by the hash of its bytes.

A manifest says everything that decides a model's outputs and traces: the weights by their hashes, the architecture, the
tokenizer, the numeric class, the sampling rule, and the calibrated profile. A job names the manifest's hash; whoever
holds a file with that hash runs the same model and judges it by the same thresholds.
"""

import base64
import hashlib
from dataclasses import asdict
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from chain.contribution import canonical_json
from verifier.fingerprint.consensus import Bands
from verifier.fingerprint.lattice import LatticeProfile, Whitening
from verifier.fingerprint.sampling import MarginLimits, SamplingRule
from verifier.models.errors import ModelError
from verifier.models.numeric_class import NumericClass
from verifier.models.profile import CalibrationReport, Histogram, Profile, ToplocLimits
from verifier.models.weights import MAXIMUM_FILES

MAXIMUM_MANIFEST_BYTES = 4 * 2**20

Count = Annotated[int, Field(ge=0, lt=2**63)]
Real = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9 ._-]{0,63}$")]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _LatticeDocument(_Document):
    mean: str
    scale: str
    fine_width: Count
    coarse_width: Count
    words: Count
    chunk_rows: Count


class _BandsDocument(_Document):
    tau: Count
    soft: Count
    hard: Count


class _MarginsDocument(_Document):
    mean: Real
    peak: Real


class _ReportDocument(_Document):
    false_alarm: Real
    honest: tuple[Count, ...]
    verifiers: tuple[Count, ...]
    cheats: dict[Name, tuple[Count, ...]]
    token_cheats: dict[Name, Real]


class _ToplocDocument(_Document):
    top: Count
    soft: Real
    hard: Real
    detected: dict[Name, Real]


class _ProfileDocument(_Document):
    lattice: _LatticeDocument
    bands: _BandsDocument
    margins: _MarginsDocument
    report: _ReportDocument
    toploc: _ToplocDocument | None


class GenerationRule(_Document):
    """How a model's text is drawn, see `SamplingRule`, and the token that ends it."""

    end_token: Count
    temperature: Real
    top_p: Annotated[float, Field(gt=0, le=1)]

    def sampling(self) -> SamplingRule:
        return SamplingRule(self.temperature, self.top_p)


class Manifest(_Document):
    """See the module. `family` names the code that reads the architecture; a model without text has no `generation`.

    weights: SHA-256 of each safetensors file, in ascending order: how files were named or cut says nothing of a model.
    """

    format: Literal["merit-model/1"] = "merit-model/1"
    family: Name
    architecture: dict[str, JsonValue]
    weights: Annotated[tuple[Sha256, ...], Field(min_length=1, max_length=MAXIMUM_FILES)]
    tokenizer: Name
    numeric_class: Name
    generation: GenerationRule | None
    profile_document: Annotated[_ProfileDocument | None, Field(alias="profile")] = None

    def to_bytes(self) -> bytes:
        """The canonical document: sorted keys, no white space."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))

    @staticmethod
    def from_bytes(data: bytes) -> "Manifest":
        """Raises ModelError unless `data` is the canonical form of a valid manifest."""
        if len(data) > MAXIMUM_MANIFEST_BYTES:
            raise ModelError(f"the manifest is larger than {MAXIMUM_MANIFEST_BYTES} bytes")
        try:
            manifest = Manifest.model_validate_json(data)
            manifest.numeric()
            if list(manifest.weights) != sorted(set(manifest.weights)):
                raise ValueError("the hashes of the weights are not distinct and in ascending order")
            if manifest.profile_document is not None:
                manifest.profile()
            canonical = manifest.to_bytes()
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "document"
            raise ModelError(f"the manifest is malformed at {place}: {first['msg']}") from None
        except ValueError as error:
            raise ModelError(f"the manifest is malformed: {error}") from None
        if canonical != data:
            raise ModelError("the manifest is not in canonical form; write it with `merit model register`")
        return manifest

    @property
    def identity(self) -> bytes:
        """SHA-256 of the document: what a job's specification names."""
        return hashlib.sha256(self.to_bytes()).digest()

    def numeric(self) -> NumericClass:
        return NumericClass.parse(self.numeric_class)

    def text_rule(self) -> GenerationRule:
        """Raises ModelError when the model does not generate text."""
        if self.generation is None:
            raise ModelError(f"the model {self.identity.hex()} does not generate text; name one that does")
        return self.generation

    def profile(self) -> Profile:
        """Raises ModelError when the model has not been calibrated."""
        if self.profile_document is None:
            raise ModelError("the model has no profile; run `merit model calibrate` first")
        lattice, bands = self.profile_document.lattice, self.profile_document.bands
        margins, report = self.profile_document.margins, self.profile_document.report
        toploc = self.profile_document.toploc
        return Profile(
            LatticeProfile(
                Whitening(_unpacked(lattice.mean), _unpacked(lattice.scale)),
                lattice.fine_width,
                lattice.coarse_width,
                lattice.words,
                lattice.chunk_rows,
            ),
            Bands(bands.tau, bands.soft, bands.hard),
            MarginLimits(margins.mean, margins.peak),
            CalibrationReport(
                report.false_alarm,
                Histogram(report.honest),
                Histogram(report.verifiers),
                {name: Histogram(counts) for name, counts in report.cheats.items()},
                report.token_cheats,
            ),
            None if toploc is None else ToplocLimits(**toploc.model_dump()),
        )

    def calibrated(self, profile: Profile) -> "Manifest":
        """This manifest with a profile; its identity is another."""
        lattice, report = profile.lattice, profile.report
        document = _ProfileDocument(
            lattice=_LatticeDocument(
                mean=_packed(lattice.whitening.mean),
                scale=_packed(lattice.whitening.scale),
                fine_width=lattice.fine_width,
                coarse_width=lattice.coarse_width,
                words=lattice.words,
                chunk_rows=lattice.chunk_rows,
            ),
            bands=_BandsDocument(tau=profile.bands.tau, soft=profile.bands.soft, hard=profile.bands.hard),
            margins=_MarginsDocument(mean=profile.margins.mean, peak=profile.margins.peak),
            report=_ReportDocument(
                false_alarm=report.false_alarm,
                honest=report.honest.counts,
                verifiers=report.verifiers.counts,
                cheats={name: histogram.counts for name, histogram in report.cheats.items()},
                token_cheats=report.token_cheats,
            ),
            toploc=None if profile.toploc is None else _ToplocDocument(**asdict(profile.toploc)),
        )
        return self.model_copy(update={"profile_document": document})


def _packed(values: NDArray[np.float32]) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode()


def _unpacked(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float32)
