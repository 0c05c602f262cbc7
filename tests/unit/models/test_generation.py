"""Decoding with a cache and replaying in one pass are the same computation, but for rounding."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from verifier.fingerprint.sampling import SamplingRule
from verifier.models.cheaper import quantised_copy
from verifier.models.errors import ModelError
from verifier.models.generation import TextRequest, generate, replay
from verifier.models.gpt import Gpt, GptArchitecture
from verifier.models.numeric_class import NumericClass

RULE = SamplingRule(1.0)
ARCHITECTURE = GptArchitecture(vocabulary=50, context=40, columns=32, layers=2, heads=2)


@pytest.fixture(scope="module")
def model() -> Gpt:
    torch.manual_seed(0)
    return Gpt(ARCHITECTURE).eval().requires_grad_(False)


def requests(count: int) -> list[TextRequest]:
    return [TextRequest(tuple(j % 50 for j in range(i, i + 5)), 20 + i % 3, i) for i in range(count)]


def test_replay__float32__hidden_states_of_the_decode(model: Gpt) -> None:
    generations = generate(model, RULE, 0, requests(6))
    for generation, (hidden, margins) in zip(
        generations, replay(model, RULE, requests(6), [g.tokens for g in generations]), strict=True
    ):
        assert hidden.shape == generation.hidden.shape
        np.testing.assert_allclose(hidden, generation.hidden, atol=1e-4)
        assert margins.max() < 1e-3


def test_generate__batch_or_one_by_one__same_tokens(model: Gpt) -> None:
    together = generate(model, RULE, 0, requests(6))
    assert [g.tokens for g in together] == [generate(model, RULE, 0, [r])[0].tokens for r in requests(6)]


def test_generate__end_token__last_and_only_once(model: Gpt) -> None:
    ended = 0
    for generation, request in zip(generate(model, RULE, 7, requests(60)), requests(60), strict=True):
        assert 7 not in generation.tokens[:-1]
        assert generation.tokens[-1] == 7 or len(generation.tokens) == request.maximum_new_tokens
        ended += generation.tokens[-1] == 7
    assert ended > 0


def test_generate__prompts_of_different_lengths__refused(model: Gpt) -> None:
    one, two = requests(2)
    with pytest.raises(ValueError, match="one length"):
        generate(model, RULE, 0, [one, replace(two, prompt=(1,))])


@pytest.mark.parametrize("bits", [4, 8])
def test_quantised_copy__weights__at_most_half_a_step_away(model: Gpt, bits: int) -> None:
    copied = quantised_copy(model, bits)
    for (name, weight), (_, rounded) in zip(model.named_parameters(), copied.named_parameters(), strict=True):
        step = weight.abs().amax(dim=-1, keepdim=True) / (2 ** (bits - 1) - 1)
        linear = name.endswith(("in.weight", "out.weight"))
        assert torch.equal(weight, rounded) is not linear
        if linear:
            assert torch.all((weight - rounded).abs() <= 0.501 * step)
            assert max(len(row.unique()) for row in rounded) <= 2**bits - 1


@pytest.mark.parametrize("text", ["", "cpu", "auto", "cpu-", "cpu-int8", "tpu-bfloat16", "cpu-bfloat16-x"])
def test_numeric_class__unknown__refused(text: str) -> None:
    with pytest.raises(ModelError, match="numeric class"):
        NumericClass.parse(text)


def test_numeric_class__known__round_trip() -> None:
    assert str(NumericClass.parse("cuda-float16")) == "cuda-float16"
    assert NumericClass.parse("cpu-bfloat16").torch_dtype is torch.bfloat16
