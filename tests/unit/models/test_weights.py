"""Weights in several files: one model by whatever names and cuts, and nothing read outside of its directory."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, LlamaConfig
from transformers.utils import logging

from verifier.models.demonstration import NUMERIC_CLASS, RULE
from verifier.models.errors import ModelError
from verifier.models.gpt import Gpt, GptArchitecture
from verifier.models.manifest import Manifest
from verifier.models.registration import register_files
from verifier.models.store import ModelStore
from verifier.models.weights import INDEX, SINGLE, weight_files


def registered(store: ModelStore, directory: Path) -> Manifest:
    return register_files(store, directory, numeric_class=NUMERIC_CLASS, generation=RULE)


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    """A random Llama that the library has saved in several files."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.manual_seed(1)
    sizes: dict[str, Any] = {
        "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 32, "bos_token_id": 0, "eos_token_id": 0,
    }  # fmt: skip
    build: Any = AutoModelForCausalLM.from_config
    directory = tmp_path / "sharded"
    build(LlamaConfig(**sizes), dtype=torch.bfloat16).save_pretrained(directory, max_shard_size="20KB")
    assert len(list(directory.glob("*.safetensors"))) > 2
    return directory


def whole(sharded: Path) -> Path:
    """The same model in one file."""
    directory = sharded.parent / "whole"
    directory.mkdir()
    (directory / "config.json").write_bytes((sharded / "config.json").read_bytes())
    tensors = {name: tensor for path in sharded.glob("*.safetensors") for name, tensor in load_file(path).items()}
    save_file(tensors, directory / SINGLE, {"format": "pt"})
    return directory


def test_register__several_files__the_model_that_one_file_gives(tmp_path: Path, sharded: Path) -> None:
    store = ModelStore(tmp_path / "models")
    several, one = registered(store, sharded), registered(store, whole(sharded))
    assert len(several.weights) > 2
    assert several.identity != one.identity
    tokens = torch.arange(20)[None]
    models = [store.load(manifest.identity).model for manifest in (several, one)]
    first, second = (model.hidden(tokens) for model in models)
    assert torch.equal(first, second)


def test_register__files_renamed__same_identity(tmp_path: Path, sharded: Path) -> None:
    store = ModelStore(tmp_path / "models")
    before = registered(store, sharded).identity
    index = json.loads((sharded / INDEX).read_text())
    names = sorted(set(index["weight_map"].values()))
    renamed = {name: f"part-{9 - place}.safetensors" for place, name in enumerate(names)}
    for old, new in renamed.items():
        (sharded / old).rename(sharded / new)
    index["weight_map"] = {tensor: renamed[name] for tensor, name in index["weight_map"].items()}
    (sharded / INDEX).write_text(json.dumps(index))
    assert registered(store, sharded).identity == before


def test_load__one_of_several_files_changed__refused(tmp_path: Path, sharded: Path) -> None:
    store = ModelStore(tmp_path / "models")
    manifest = registered(store, sharded)
    path = store.directory / f"{manifest.weights[1]}.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError, match="does not have the hash"):
        store.load(manifest.identity)


def test_register__index_leaves_a_tensor_out__refused(tmp_path: Path, sharded: Path) -> None:
    index = json.loads((sharded / INDEX).read_text())
    kept = index["weight_map"]["lm_head.weight"]
    index["weight_map"] = {name: file for name, file in index["weight_map"].items() if file == kept}
    (sharded / INDEX).write_text(json.dumps(index))
    with pytest.raises(ModelError, match="do not fit"):
        registered(ModelStore(tmp_path / "models"), sharded)


def test_register__file_of_the_index_missing__says_which(tmp_path: Path, sharded: Path) -> None:
    first = min(sharded.glob("*.safetensors"))
    first.unlink()
    with pytest.raises(ModelError, match=first.name):
        registered(ModelStore(tmp_path / "models"), sharded)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"weight_map": []}',
        '{"weight_map": {}}',
        '{"weight_map": {"a": 1}}',
        '{"weight_map": {"a": "../a.safetensors"}}',
        '{"weight_map": {"a": "/etc/a.safetensors"}}',
        '{"weight_map": {"a": "a.bin"}}',
        json.dumps({"weight_map": {str(i): f"{i}.safetensors" for i in range(1025)}}),
    ],
)
def test_weight_files__index_that_no_library_writes__refused(tmp_path: Path, content: str) -> None:
    (tmp_path / INDEX).write_text(content)
    with pytest.raises(ModelError, match=r"is not an index|of its own directory, and no other"):
        weight_files(tmp_path)


def test_register__two_files_hold_one_tensor__refused(tmp_path: Path) -> None:
    """Which of the two counts would be the loader's whim."""
    tiny = GptArchitecture(context=8, columns=8, layers=1, heads=2)
    tensors = dict(Gpt(tiny).state_dict())
    files = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    save_file(tensors, files[0])
    save_file({"norm.weight": 2 * tensors["norm.weight"]}, files[1])
    with pytest.raises(ModelError, match=r"both hold norm\.weight"):
        ModelStore(tmp_path / "models").register(
            files,
            family="merit-gpt",
            architecture=asdict(tiny),
            tokenizer="bytes",
            numeric_class=NUMERIC_CLASS,
            generation=RULE,
        )
