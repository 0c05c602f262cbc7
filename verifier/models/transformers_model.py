"""Any causal language model of the `transformers` library, from local files: a config and safetensors, never code.

`transformers` is an extra of its own: this module is imported only when a manifest of its family is loaded.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, DynamicCache
from transformers.utils import logging

from verifier.models.cheaper import rounded
from verifier.models.errors import ModelError
from verifier.models.numeric_class import NumericClass
from verifier.models.weights import INDEX, tensor_places


class TransformersModel(nn.Module):
    """A `CausalModel` around a pre-trained one. Its trace is the hidden state after the final norm."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self.vocabulary = int(network.config.vocab_size)
        self.context = int(network.config.max_position_embeddings)
        self.columns = int(network.get_output_embeddings().weight.shape[1])
        self.cache_type: torch.dtype | None = None

    @property
    def device(self) -> torch.device:
        device: torch.device = self.network.device
        return device

    def new_cache(self, batch: int, length: int) -> "_RoundedCache":
        return _RoundedCache(self.cache_type)

    def hidden(self, tokens: torch.Tensor, cache: "_RoundedCache | None" = None) -> torch.Tensor:
        output = self.network.base_model(input_ids=tokens, past_key_values=cache, use_cache=cache is not None)
        states: torch.Tensor = output.last_hidden_state
        return states

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        head: torch.Tensor = self.network.get_output_embeddings().weight
        return hidden.float() @ head.float().T


class _RoundedCache(DynamicCache):
    def __init__(self, kept_as: torch.dtype | None) -> None:
        super().__init__()
        self.kept_as = kept_as

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        key, value = rounded(key_states, self.kept_as), rounded(value_states, self.kept_as)
        return super().update(key, value, layer_idx, *args, **kwargs)


def load_transformers(
    config: Mapping[str, Any], weights: Sequence[Path], numeric_class: NumericClass
) -> TransformersModel:
    """The model of a `config.json` and safetensors files. Raises ModelError unless they fit exactly."""
    return TransformersModel(load_network(AutoModelForCausalLM, config, weights, numeric_class))


def load_network(kind: Any, config: Mapping[str, Any], weights: Sequence[Path], numeric_class: NumericClass) -> Any:
    """The library's own model, made by one of its `Auto` classes, for evaluation. Raises ModelError as above."""
    if "auto_map" in config:
        raise ModelError("the model's config names code of its own, which is never run; use a supported architecture")
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config))
        # The library finds tensors by an index; this one is made from the files themselves, whoever saved them.
        places = tensor_places(weights)
        for path in weights:
            (Path(folder) / path.name).symlink_to(path.resolve())
        index = {"metadata": {}, "weight_map": {name: path.name for name, path in places.items()}}
        (Path(folder) / INDEX).write_text(json.dumps(index))
        network, report = kind.from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="sdpa",
            dtype=numeric_class.torch_dtype,
            output_loading_info=True,
        )
    wrong = {what: names for what, names in report.items() if names}
    if wrong:
        raise ModelError(f"config and weights do not fit: {wrong}")
    return network.to(numeric_class.device).eval().requires_grad_(False)
