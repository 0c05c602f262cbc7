"""Weights in one safetensors file or in several: which files a directory names, and what they hold together."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from verifier.models.errors import ModelError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
MAXIMUM_FILES = 1024


def weight_files(directory: Path) -> list[Path]:
    """The files that hold a model saved in `directory`: one, or those that its index names, in the order of names.

    Raises ModelError where there is neither, or the index is malformed or leads out of the directory.
    """
    single, index = directory / SINGLE, directory / INDEX
    if single.is_file():
        return [single]
    if not index.is_file():
        raise ModelError(f"{single} does not exist, nor {INDEX}; save the model as safetensors beside its config.json")
    try:
        named = json.loads(index.read_bytes())["weight_map"].values()
        names = sorted(set(named))
        plain = all(Path(name).name == name and name.endswith(".safetensors") for name in names)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ModelError(f"{index} is not an index of safetensors files; save the model again") from None
    if not plain or not 1 <= len(names) <= MAXIMUM_FILES:
        raise ModelError(f"{index} may name 1 to {MAXIMUM_FILES} safetensors files of its own directory, and no other")
    missing = [name for name in names if not (directory / name).is_file()]
    if missing:
        raise ModelError(f"{directory / missing[0]} does not exist, though {INDEX} names it; fetch it")
    return [directory / name for name in names]


def tensor_places(files: Sequence[Path]) -> dict[str, Path]:
    """The file of each tensor, from the files' own headers. Raises ModelError where two files hold the same tensor."""
    places: dict[str, Path] = {}
    for path in files:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no dictionary
                if name in places:
                    raise ModelError(f"{places[name].name} and {path.name} both hold {name}")
                places[name] = path
    return places


def load_tensors(files: Sequence[Path]) -> dict[str, torch.Tensor]:
    """All tensors of the files. Raises ModelError as `tensor_places` does."""
    tensor_places(files)
    return {name: tensor for path in files for name, tensor in load_file(path).items()}
