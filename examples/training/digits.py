r"""A small convolutional network on scikit-learn's digits: the data of a job, and a trainer with images of its own.

    python examples/training/digits.py digits.safetensors
    merit job open --kind training --data digits.safetensors \
        --model "convolution image=1,8,8 channels=8,16 classes=10" ...
    merit train run --function examples/training/digits.py:local_update ...
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from verifier.training.own_function import TrainingData
from verifier.workloads.training_tensors import write_data

# Images of the job's public data; those after them are the trainers' own.
PUBLIC = 600


def local_update(
    model: nn.Module, data: TrainingData, number: int, own: slice = slice(PUBLIC, 800)
) -> Mapping[str, torch.Tensor]:
    """Two passes over the assigned images together with our own."""
    digits = load_digits()
    images = torch.cat([data.inputs, torch.from_numpy(digits.data[own] / 16).float()])
    labels = torch.cat([data.targets, torch.from_numpy(digits.target[own])])
    random = torch.Generator().manual_seed(number)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    for _ in range(2):
        for rows in torch.split(torch.randperm(len(labels), generator=random), 16):
            optimiser.zero_grad()
            torch.autograd.backward(functional.cross_entropy(model(images[rows]), labels[rows]))
            optimiser.step()
    return model.state_dict()


def job_data() -> bytes:
    """The public images, as `merit job open --data` takes them."""
    digits = load_digits()
    return write_data(digits.data[:PUBLIC] / 16, digits.target[:PUBLIC])


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(job_data())
