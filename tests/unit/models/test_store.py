"""The model store: content-addressed, and suspicious of its own directory."""

from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from pydantic import JsonValue
from safetensors.torch import save_file

from verifier.models.demonstration import NUMERIC_CLASS, RULE
from verifier.models.errors import ModelError
from verifier.models.gpt import Gpt, GptArchitecture
from verifier.models.manifest import Manifest
from verifier.models.store import ModelStore

TINY = GptArchitecture(context=8, columns=8, layers=1, heads=2)


def register(
    store: ModelStore, weights: Path, architecture: dict[str, JsonValue] | None = None, family: str = "merit-gpt"
) -> Manifest:
    return store.register(
        [weights],
        family=family,
        architecture=asdict(TINY) if architecture is None else architecture,
        tokenizer="bytes",
        numeric_class=NUMERIC_CLASS,
        generation=RULE,
    )


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_file(dict(Gpt(TINY).state_dict()), path)
    return path


def test_register__new_model__loads_in_its_numeric_class(tmp_path: Path, weights: Path) -> None:
    store = ModelStore(tmp_path / "models")
    manifest = register(store, weights)
    weights.unlink()
    registered = store.load(manifest.identity)
    assert registered.manifest == manifest
    assert isinstance(registered.model, Gpt)
    assert registered.model.token_embedding.weight.dtype == torch.bfloat16
    assert not any(parameter.requires_grad for parameter in registered.model.parameters())


def test_load__not_registered__says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="register it first"):
        ModelStore(tmp_path).load(bytes(32))


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_load__file_changed_after_registration__refused(tmp_path: Path, weights: Path, suffix: str) -> None:
    store = ModelStore(tmp_path / "models")
    manifest = register(store, weights)
    (path,) = store.directory.glob(f"*{suffix}")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="does not have the hash"):
        store.load(manifest.identity)


def test_load__weights_gone__says_what_to_do(tmp_path: Path, weights: Path) -> None:
    store = ModelStore(tmp_path / "models")
    manifest = register(store, weights)
    (store.directory / f"{manifest.weights[0]}.safetensors").unlink()
    with pytest.raises(ModelError, match="fetch them first"):
        store.load(manifest.identity)


@pytest.mark.parametrize(
    "architecture",
    [
        {},
        {"width": 3},
        {**asdict(TINY), "layers": 2},
        {**asdict(TINY), "columns": 16},
        {**asdict(TINY), "columns": 2**20, "layers": 100},
        {**asdict(TINY), "columns": 2**40},
        {**asdict(TINY), "layers": -1},
        {**asdict(TINY), "layers": 1.5},
        {**asdict(TINY), "layers": "1"},
        {**asdict(TINY), "heads": 0},
        {**asdict(TINY), "heads": 3},
    ],
)
def test_register__architecture_that_does_not_fit__refused(
    tmp_path: Path, weights: Path, architecture: dict[str, JsonValue]
) -> None:
    with pytest.raises(ModelError, match="do not fit"):
        register(ModelStore(tmp_path / "models"), weights, architecture)


@pytest.mark.parametrize("data", [b"", b"\x80\x04K\x01.", b"\xff" * 64, b"\x08\0\0\0\0\0\0\0{}      "])
def test_register__not_a_safetensors_file__refused(tmp_path: Path, data: bytes) -> None:
    """Among them a pickle: nothing that could run code is ever opened."""
    weights = tmp_path / "weights"
    weights.write_bytes(data)
    with pytest.raises(ModelError, match="do not fit"):
        register(ModelStore(tmp_path / "models"), weights)


def test_register__unknown_family__refused(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(ModelError, match="cannot be run here"):
        register(ModelStore(tmp_path / "models"), weights, family="unheard-of")
