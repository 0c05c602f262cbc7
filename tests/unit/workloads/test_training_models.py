"""Descriptions of models: bounded, canonical, and the same model from each for everybody."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from scoring.training.errors import InvalidModelError
from verifier.workloads import training_networks
from verifier.workloads.errors import MalformedEvidenceError
from verifier.workloads.training_models import (
    AnyModel,
    ModelDescriptionError,
    PerceptronModel,
    named_model,
    parse_model,
)
from verifier.workloads.training_networks import Network, flattened, unflattened
from verifier.workloads.training_tensors import read_data, write_data, write_tokens

PERCEPTRON = "perceptron widths=16,5,4"
CONVOLUTION = "convolution image=1,4,4 channels=2,3 classes=4"
GPT = "gpt vocabulary=8 context=6 columns=4 layers=1 heads=2"
MODELS = [PERCEPTRON, CONVOLUTION, GPT]


def data_for(model: AnyModel, samples: int = 11) -> bytes:
    random = np.random.default_rng(0)
    if model.family == "gpt":
        return write_tokens(random.integers(0, 8, (samples, 7)))
    return write_data(random.standard_normal((samples, 16)), random.integers(0, 4, samples))


@pytest.mark.parametrize("text", MODELS)
def test_description__written_and_read__the_same(text: str) -> None:
    assert parse_model(named_model(text).to_raw()) == named_model(text)


def test_description__sizes_in_numbers__parameters_counted_by_hand() -> None:
    assert named_model(PERCEPTRON).size == 17 * 5 + 6 * 4
    assert named_model(CONVOLUTION).size == (9 + 1) * 2 + (18 + 1) * 3 + (3 + 1) * 4
    assert named_model(GPT).size == 8 * 4 + 6 * 4 + (3 + 1 + 4 + 4) * 16 + 3 * 8


def test_description__work_of_a_sample__multiplications_counted_by_hand() -> None:
    assert named_model(PERCEPTRON).work == 17 * 5 + 6 * 4
    assert named_model(CONVOLUTION).work == (9 + 1) * 2 * 16 + (18 + 1) * 3 * 4 + (3 + 1) * 4
    assert named_model(GPT).work == 6 * (named_model(GPT).size + 2 * 6 * 4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "perceptron",
        "perceptron widths=64",
        "perceptron widths=64,0",
        "perceptron widths=64,x",
        "perceptron widths=64,10 depth=3",
        "perceptron widths=1048576,1048576,2",
        "perceptron widths=" + ",".join(["2"] * 17),
        "convolution image=1,4,4 channels=2,2,2 classes=4",
        "convolution image=4,4 channels=2 classes=4",
        "convolution image=1,1048576,1048576 channels=2 classes=4",
        "convolution image=1,8,8 channels=1048576 classes=1048576",
        "gpt vocabulary=8 context=6 columns=4 layers=1 heads=3",
        "gpt vocabulary=8,9 context=6 columns=4 layers=1 heads=2",
        "gpt vocabulary=1048576 context=4096 columns=4 layers=1 heads=2",
        "gpt vocabulary=256 context=8 columns=4096 layers=64 heads=2",
        "transformer widths=64,10",
    ],
)
def test_description__unknown_or_too_large__one_sentence(text: str) -> None:
    with pytest.raises(ModelDescriptionError) as refused:
        named_model(text)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.sampled_from(["perceptron", "convolution", "gpt"]))
def test_description__any_json__is_refused(value: Any, family: str) -> None:
    for raw in (value, {"family": family, "widths": value}, {"family": family, "image": [1, 4, 4], "channels": value}):
        with pytest.raises(ModelDescriptionError):
            parse_model(raw if raw != {"family": "perceptron", "widths": [1, 1]} else None)


@pytest.mark.parametrize("text", MODELS)
def test_losses__each_family__as_the_module_itself(text: str) -> None:
    """In double precision, of each sample, for each mixture."""
    model = named_model(text)
    block = data_for(model)
    random = np.random.default_rng(1)
    base, updates = model.initial_parameters(0), 0.1 * random.standard_normal((3, model.size))
    mixtures = random.random((4, 3))
    found = model.judged(block).losses(base, updates, mixtures)
    inputs, targets = model.tensors(block)
    inputs = inputs.double() if inputs.is_floating_point() else inputs
    module = model.module().double()
    for mixture, losses in zip(mixtures, found, strict=True):
        module.load_state_dict(unflattened(base + mixture @ updates, module))
        likelihood = module(inputs).log_softmax(dim=-1).gather(-1, targets[..., None])[..., 0].detach().numpy()
        expected = -likelihood.reshape(len(targets), -1).mean(axis=1)
        assert losses == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("text", MODELS)
def test_gradient__each_family__slope_of_the_mean_loss(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever number of samples goes through the module at once."""
    model = named_model(text)
    judged = Network(model.structure(), *model.tensors(data_for(model)))
    monkeypatch.setattr(training_networks, "_SAMPLES", 4)
    base, directions = model.initial_parameters(0), np.random.default_rng(1).standard_normal((5, model.size))
    step = 1e-6
    after, before = (judged.losses(base, directions, sign * step * np.eye(5)).mean(axis=1) for sign in (1, -1))
    assert directions @ judged.gradient(base) == pytest.approx((after - before) / (2 * step), abs=1e-6)


@pytest.mark.parametrize("text", MODELS)
def test_on__some_rows__their_losses(text: str) -> None:
    model = named_model(text)
    judged, rows = model.judged(data_for(model)), np.array([7, 2])
    base, updates, mixture = model.initial_parameters(0), np.zeros((1, model.size)), np.zeros((1, 1))
    everywhere = judged.losses(base, updates, mixture)
    assert judged.samples == 11
    assert judged.on(rows).samples == 2
    assert judged.on(rows).losses(base, updates, mixture) == pytest.approx(everywhere[:, rows], abs=1e-12)


def test_perceptron__by_torch__as_by_its_shortcut() -> None:
    """The parameters of both are the same vector."""
    model = named_model(PERCEPTRON)
    block = data_for(model)
    base, updates = model.initial_parameters(0), np.random.default_rng(2).standard_normal((3, model.size))
    by_torch = Network(model.structure(), *model.tensors(block)).losses(base, updates, np.eye(3))
    assert model.judged(block).losses(base, updates, np.eye(3)) == pytest.approx(by_torch, abs=1e-6)


@pytest.mark.parametrize("text", MODELS)
def test_initial_parameters__a_seed__always_the_same_and_no_other_randomness(text: str) -> None:
    model = named_model(text)
    before = torch.random.get_rng_state()
    first = model.initial_parameters(3)
    assert first.shape == (model.size,)
    assert np.array_equal(first, model.initial_parameters(3))
    assert not np.array_equal(first, model.initial_parameters(4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.array_equal(flattened(unflattened(first, model.module())), first)


@pytest.mark.parametrize(
    ("text", "block"),
    [
        (PERCEPTRON, write_data(np.zeros((3, 15)), np.zeros(3, np.int64))),
        (CONVOLUTION, write_data(np.zeros((3, 15)), np.zeros(3, np.int64))),
        (CONVOLUTION, write_data(np.zeros((3, 16)), np.full(3, 4))),
        (CONVOLUTION, write_data(np.zeros((0, 16)), np.zeros(0, np.int64))),
        (GPT, write_tokens(np.zeros((3, 6), np.int64))),
        (GPT, write_tokens(np.zeros((0, 7), np.int64))),
        (GPT, write_tokens(np.full((3, 7), 8))),
        (GPT, write_tokens(np.full((3, 7), -1))),
        (GPT, b"pickled"),
    ],
)
def test_judged__unfitting_data__refused(text: str, block: bytes) -> None:
    with pytest.raises(MalformedEvidenceError):
        named_model(text).judged(block)


def test_losses__unfitting_parameters__refused() -> None:
    model = named_model(GPT)
    with pytest.raises(InvalidModelError, match=f"{model.size} numbers"):
        model.judged(data_for(model)).losses(np.zeros(5), np.zeros((1, 5)), np.zeros((1, 1)))


def test_perceptron_model__its_tensors__what_its_shortcut_reads() -> None:
    block = data_for(named_model(PERCEPTRON))
    inputs, targets = PerceptronModel(widths=(16, 5, 4)).tensors(block)
    assert inputs.numpy() == pytest.approx(read_data(block)[0])
    assert np.array_equal(targets.numpy(), read_data(block)[1])
