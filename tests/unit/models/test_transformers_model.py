"""Architectures of the `transformers` library, from a directory to a calibrated profile, with no change of code."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MixtralConfig, PreTrainedConfig, Qwen2Config
from transformers.utils import logging

from verifier.models.calibration import CalibrationTerms
from verifier.models.causal import CausalModel
from verifier.models.errors import ModelError
from verifier.models.generation import generate, replay
from verifier.models.manifest import GenerationRule, Manifest
from verifier.models.numeric_class import NumericClass
from verifier.models.registration import calibrate_model, describe, random_requests, register_files
from verifier.models.store import ModelStore

SIZES: dict[str, Any] = {"vocab_size": 200, "bos_token_id": 0, "eos_token_id": 0}
LLAMA_SIZES = SIZES | {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 96,
}
RULE = GenerationRule(end_token=0, temperature=1.0, top_p=0.9)
CONFIGS: dict[str, Callable[[], PreTrainedConfig]] = {
    "gpt2": lambda: GPT2Config(**SIZES, n_positions=96, n_embd=64, n_layer=2, n_head=4),
    "llama": lambda: LlamaConfig(**LLAMA_SIZES),
    "mixtral": lambda: MixtralConfig(**LLAMA_SIZES, num_local_experts=4, num_experts_per_tok=2),
    "qwen2": lambda: Qwen2Config(**LLAMA_SIZES),
}


def saved(directory: Path, architecture: str) -> Path:
    """A random model of an architecture, as the library saves one."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    torch.manual_seed(1)
    build: Any = AutoModelForCausalLM.from_config
    build(CONFIGS[architecture](), dtype=torch.bfloat16).save_pretrained(directory)
    return directory


def registered(store: ModelStore, directory: Path, numeric_class: str = "cpu-bfloat16") -> Manifest:
    return register_files(store, directory, numeric_class=NumericClass.parse(numeric_class), generation=RULE)


@pytest.mark.parametrize("architecture", CONFIGS)
def test_replay__float32__hidden_states_of_the_decode(tmp_path: Path, architecture: str) -> None:
    store = ModelStore(tmp_path / "models")
    model = store.load(registered(store, saved(tmp_path / "saved", architecture), "cpu-float32").identity).model
    rule, requests = RULE.sampling(), random_requests(model, 3, seed=5)
    generations = generate(model, rule, 0, requests)
    for generation, (hidden, margins) in zip(
        generations, replay(model, rule, requests, [g.tokens for g in generations]), strict=True
    ):
        np.testing.assert_allclose(hidden, generation.hidden, atol=1e-3)
        assert margins.max() < 1e-3


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "mixtral"])
def test_calibrate__architecture__tells_its_cheaper_copies(tmp_path: Path, architecture: str) -> None:
    torch.set_num_threads(1)
    store = ModelStore(tmp_path / "models")
    manifest = registered(store, saved(tmp_path / "saved", architecture))
    model: CausalModel = store.load(manifest.identity).model
    terms = CalibrationTerms(false_alarm=0.05, words=2, batches=(4, 16), threads=(1,))
    calibrated = calibrate_model(store, manifest.identity, random_requests(model, 40, seed=1), terms)
    profile = store.load(calibrated.identity).manifest.profile()
    assert set(profile.report.cheats) == {"int8", "int4", "fp8 cache"}
    assert all(histogram.share_above(profile.bands.hard) == 1 for histogram in profile.report.cheats.values())
    assert profile.report.honest.share_above(profile.bands.hard) == 0
    text = describe(calibrated)
    assert "int8: 100.00% of 20 leaves" in text
    assert "#" in text.splitlines()[-1] or "x" in text.splitlines()[-1]


def test_describe__not_calibrated__says_what_to_do(tmp_path: Path) -> None:
    manifest = registered(ModelStore(tmp_path / "models"), saved(tmp_path / "saved", "llama"))
    assert "merit model calibrate" in describe(manifest)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"auto_map": {"AutoModelForCausalLM": "evil.Model"}}, "never run"),
        ({"num_hidden_layers": 3}, "do not fit"),
        ({"num_hidden_layers": 1}, "do not fit"),
        ({"hidden_size": 32}, "do not fit"),
        ({"model_type": "unheard-of"}, "do not fit"),
    ],
)
def test_register__config_that_does_not_fit__refused(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    directory = saved(tmp_path / "saved", "llama")
    config = json.loads((directory / "config.json").read_bytes()) | change
    (directory / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=complaint):
        registered(ModelStore(tmp_path / "models"), directory)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_register__file_missing__says_which(tmp_path: Path, name: str) -> None:
    directory = saved(tmp_path / "saved", "llama")
    (directory / name).unlink()
    with pytest.raises(ModelError, match=name):
        registered(ModelStore(tmp_path / "models"), directory)


def test_register__config_is_not_json__refused(tmp_path: Path) -> None:
    directory = saved(tmp_path / "saved", "llama")
    (directory / "config.json").write_text("{")
    with pytest.raises(ModelError, match="not JSON"):
        registered(ModelStore(tmp_path / "models"), directory)
