"""What is trained, as data: a family by name and its sizes, from which everybody builds the same model.

A description is bounded before anything is allocated. The parameters of every family are one vector: the tensors of the
module's state, in its order, row by row.
"""

import json
from abc import abstractmethod
from functools import cached_property
from math import prod
from typing import Annotated, Any, Literal, Protocol, Self

import numpy as np
import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from torch import nn

from chain.errors import MeritError
from scoring.training.errors import TrainingError
from scoring.training.models import DifferentiableModel, Floats, Rows
from scoring.training.perceptron import Perceptron
from verifier.models.errors import ModelError
from verifier.models.gpt import Gpt, GptArchitecture
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.training_networks import Network, flattened, parameter_count
from verifier.workloads.training_tensors import read_data, read_tokens

MOST_PARAMETERS = 2**26
# Numbers that one sample may take in a layer.
_MOST_ACTIVATIONS = 2**24
# Sizes that are several numbers, even where there is one.
_SEQUENCES = {"widths", "image", "channels"}

Size = Annotated[int, Field(ge=1, le=2**20)]


class ModelDescriptionError(MeritError):
    """A description that names no model, or one that is too large."""


class JudgedModel(DifferentiableModel, Protocol):
    """A model with the samples that it is judged on."""

    @property
    def samples(self) -> int:
        """How many."""

    def on(self, rows: Rows) -> "JudgedModel":
        """The same model, judged on some of them."""


class TrainingModel(BaseModel):
    """What the families have in common. Raises pydantic's ValidationError for sizes that are out of bounds."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.activations > _MOST_ACTIVATIONS or self.size > MOST_PARAMETERS:
            raise ValueError("the model is too large")
        return self

    @property
    @abstractmethod
    def activations(self) -> int:
        """Numbers that one sample takes in the largest layer."""

    @property
    @abstractmethod
    def work(self) -> int:
        """Multiplications that one sample takes; some more rather than less."""

    @abstractmethod
    def module(self) -> nn.Module:
        """A new module, which maps `tensors` of samples to the scores of classes, the last dimension."""

    @abstractmethod
    def tensors(self, block: bytes) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of a data block, both with a row for each sample. Raises MalformedEvidenceError."""

    @cached_property
    def size(self) -> int:
        """Number of parameters."""
        return parameter_count(self.structure())

    def structure(self) -> nn.Module:
        """The module without its numbers, in double precision."""
        with torch.device("meta"):
            return self.module().double()

    def judged(self, block: bytes) -> JudgedModel:
        """The model with all samples of a data block. Raises MalformedEvidenceError."""
        return Network(self.structure(), *self.tensors(block))

    def initial_parameters(self, seed: int) -> Floats:
        """As torch initialises the module, shape (d,)."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return flattened(self.module().state_dict())

    def to_raw(self) -> dict[str, Any]:
        """As JSON has it."""
        return self.model_dump(mode="json")


class PerceptronModel(TrainingModel):
    """Fully connected layers with ReLU between them. widths: inputs, hidden layers, classes."""

    family: Literal["perceptron"] = "perceptron"
    widths: Annotated[tuple[Size, ...], Field(min_length=2, max_length=16)]

    @property
    def activations(self) -> int:
        return max(self.widths)

    @property
    def work(self) -> int:
        return self.size

    def module(self) -> nn.Module:
        layers: list[nn.Module] = []
        for inputs, outputs in zip(self.widths, self.widths[1:], strict=False):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def tensors(self, block: bytes) -> tuple[torch.Tensor, torch.Tensor]:
        return _classified(block, self.widths[0], self.widths[-1])

    def judged(self, block: bytes) -> JudgedModel:
        """Evaluated with its own shortcut instead of torch."""
        features, labels = read_data(block)
        try:
            return Perceptron(self.widths, features, labels)
        except TrainingError as error:
            raise MalformedEvidenceError(str(error)) from error


class ConvolutionModel(TrainingModel):
    """Convolutions of 3 x 3, each with ReLU and a pooling that halves the image, and one layer to the classes.

    image: channels, height, width; a sample's features are its pixels in that order. channels: of each convolution.
    """

    family: Literal["convolution"] = "convolution"
    image: tuple[Size, Size, Size]
    channels: Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]
    classes: Size

    @field_validator("channels")
    @classmethod
    def _halved(cls, channels: tuple[int, ...], told: ValidationInfo) -> tuple[int, ...]:
        _, height, width = told.data.get("image", (1, 2**8, 2**8))
        if min(height, width) < 2 ** len(channels):
            raise ValueError("the image is too small to be halved so often")
        return channels

    @property
    def activations(self) -> int:
        return max(prod(self.image), *(count * self.image[1] * self.image[2] for count in self.channels))

    @property
    def work(self) -> int:
        inputs, height, width = self.image
        total = 0
        for outputs in self.channels:
            total += (9 * inputs + 1) * outputs * height * width
            inputs, height, width = outputs, height // 2, width // 2
        return total + (inputs * height * width + 1) * self.classes

    def module(self) -> nn.Module:
        layers: list[nn.Module] = [nn.Unflatten(1, self.image)]
        inputs, height, width = self.image
        for outputs in self.channels:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            inputs, height, width = outputs, height // 2, width // 2
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs * height * width, self.classes))

    def tensors(self, block: bytes) -> tuple[torch.Tensor, torch.Tensor]:
        return _classified(block, prod(self.image), self.classes)


class GptModel(TrainingModel):
    """Merit's small GPT; a sample is a text of `context + 1` tokens, of which each is told from those before it."""

    family: Literal["gpt"] = "gpt"
    vocabulary: Annotated[int, Field(ge=2, le=2**20)]
    context: Annotated[int, Field(ge=1, le=2**12)]
    columns: Annotated[int, Field(ge=1, le=2**12)]
    layers: Annotated[int, Field(ge=1, le=64)]
    heads: Annotated[int, Field(ge=1, le=64)]

    @property
    def activations(self) -> int:
        return self.context * max(self.vocabulary, 4 * self.columns, self.context * self.heads)

    @property
    def work(self) -> int:
        return self.context * (self.size + 2 * self.layers * self.context * self.columns)

    @property
    def architecture(self) -> GptArchitecture:
        """Its sizes. Raises ModelError where they do not divide."""
        return GptArchitecture(self.vocabulary, self.context, self.columns, self.layers, self.heads)

    def module(self) -> nn.Module:
        try:
            return _Text(self.architecture)
        except ModelError as error:
            raise ValueError(str(error)) from error

    def tensors(self, block: bytes) -> tuple[torch.Tensor, torch.Tensor]:
        tokens = torch.from_numpy(read_tokens(block, self.context + 1, self.vocabulary))
        return tokens[:, :-1], tokens[:, 1:]


class _Text(Gpt):
    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Scores of the token after each, (samples, positions, vocabulary), of int64 tokens (samples, positions)."""
        return self.logits(self.hidden(tokens))


AnyModel = PerceptronModel | ConvolutionModel | GptModel
_ADAPTER: TypeAdapter[AnyModel] = TypeAdapter(Annotated[AnyModel, Field(discriminator="family")])


def parse_model(raw: Any) -> AnyModel:
    """A description as JSON has it. Raises ModelDescriptionError."""
    try:
        return _ADAPTER.validate_json(json.dumps(raw))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "model"
        raise ModelDescriptionError(f"The model is malformed at {place}: {first['msg']}.") from None


def named_model(text: str) -> AnyModel:
    """From one line, as `convolution image=1,8,8 channels=8,16 classes=10`. Raises ModelDescriptionError."""
    family, *sizes = text.split() or [""]
    raw: dict[str, Any] = {"family": family}
    for size in sizes:
        name, _, value = size.partition("=")
        try:
            numbers = [int(number) for number in value.split(",")]
        except ValueError as error:
            raise ModelDescriptionError(f"{size} is not a size; write name=number or name=number,number.") from error
        raw[name] = numbers if name in _SEQUENCES or len(numbers) > 1 else numbers[0]
    return parse_model(raw)


def _classified(block: bytes, inputs: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    features, labels = read_data(block)
    if features.shape[1] != inputs:
        raise MalformedEvidenceError(f"expected samples of {inputs} features")
    if labels.size == 0 or labels.min() < 0 or labels.max() >= classes:
        raise MalformedEvidenceError(f"expected one sample or more, with labels from 0 to {classes - 1}")
    return torch.from_numpy(features.astype(np.float32)), torch.from_numpy(labels)
