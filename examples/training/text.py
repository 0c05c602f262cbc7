r"""A small GPT on the sources of Python's standard library, byte by byte.

    python examples/training/text.py text.safetensors
    merit job open --kind training --data text.safetensors \
        --model "gpt vocabulary=256 context=32 columns=32 layers=2 heads=2" ...
    merit train run --function examples/training/text.py:local_update ...
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from verifier.models.training import standard_library_corpus
from verifier.training.own_function import TrainingData
from verifier.workloads.training_tensors import write_tokens

CONTEXT, TEXTS = 32, 400


def local_update(model: nn.Module, data: TrainingData, number: int) -> Mapping[str, torch.Tensor]:
    """Thirty passes over the assigned texts: after fewer, all have learned the same, how often each byte occurs."""
    random = torch.Generator().manual_seed(number)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(30):
        for rows in torch.split(torch.randperm(len(data.targets), generator=random), 8):
            scores = model(data.inputs[rows])
            optimiser.zero_grad()
            torch.autograd.backward(functional.cross_entropy(scores.flatten(0, 1), data.targets[rows].flatten()))
            optimiser.step()
    return model.state_dict()


def job_data() -> bytes:
    """Texts from all over the corpus, as `merit job open --data` takes them."""
    corpus = np.frombuffer(standard_library_corpus(), np.uint8)
    starts = np.linspace(0, len(corpus) - CONTEXT - 1, TEXTS).astype(np.int64)
    return write_tokens(corpus[starts[:, None] + np.arange(CONTEXT + 1)])


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(job_data())
