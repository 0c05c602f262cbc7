"""A small latent diffusion model: a transformer that moves noise to latents, and a decoder from latents to pixels.

The denoiser is a U-ViT without its long skips (Bao et al., arXiv 2209.12152): words of the prompt, the time and the
latents are tokens of one sequence. It predicts the velocity of a rectified flow (Liu, Gong, Liu, arXiv 2209.03003), in
which x_t = (1 - t) latent + t noise, so that a deterministic sampler follows it from t = 1 to t = 0 in a few steps.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from eth_utils.crypto import keccak
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import nn
from torch.nn import functional

from verifier.fingerprint.philox import random_uniforms
from verifier.models.answers import Answers
from verifier.models.errors import ModelError
from verifier.models.mixed_precision import Block, linear, normalised, wide
from verifier.models.numeric_class import NumericClass
from verifier.models.weights import load_tensors

COLOURS = 3


@dataclass(frozen=True)
class DiffusionArchitecture:
    """Sizes of the model, and how many steps its sampler takes.

    vocabulary, context: of prompts. side, channels: of the latents, one for each patch of the image.
    patch: side of a patch in pixels. columns, layers, heads: of the denoiser; the decoder has one layer of its own.
    """

    vocabulary: int = 16
    context: int = 6
    side: int = 6
    channels: int = 4
    patch: int = 4
    columns: int = 64
    layers: int = 2
    heads: int = 4
    steps: int = 6

    def __post_init__(self) -> None:
        sizes = (self.vocabulary, self.context, self.side, self.channels, self.patch, self.columns, self.layers)
        if not all(1 <= size <= 2**12 for size in (*sizes, self.heads, self.steps)):
            raise ModelError("the sizes of a diffusion model are from 1 to 4096")
        if self.columns % (2 * self.heads):
            raise ModelError(f"{self.columns} columns cannot be shared by {self.heads} heads; choose an even multiple")

    @property
    def pixels(self) -> int:
        """Width and height of the image."""
        return self.side * self.patch

    @property
    def values(self) -> int:
        """Numbers in an image: three colours a pixel."""
        return self.pixels**2 * COLOURS


@dataclass(frozen=True)
class ImageRequest:
    """What a requester asks for. seed: 0 <= seed < 2**64, from which the noise is drawn that the image starts as."""

    prompt: tuple[int, ...]
    seed: int


class LatentDiffusion(nn.Module):
    """Words to images. The residual streams and the latents are float32 in every numeric class."""

    def __init__(self, architecture: DiffusionArchitecture) -> None:
        super().__init__()
        self.architecture = architecture
        columns, places = architecture.columns, architecture.side**2
        self.word_embedding = nn.Embedding(architecture.vocabulary, columns)
        self.position_embedding = nn.Embedding(architecture.context + 1 + places, columns)
        self.latent_in = nn.Linear(architecture.channels, columns)
        self.blocks = nn.ModuleList(Block(columns, architecture.heads) for _ in range(architecture.layers))
        self.norm = nn.LayerNorm(columns)
        self.latent_out = nn.Linear(columns, architecture.channels)
        self.decoder_in = nn.Linear(architecture.channels, columns)
        self.decoder_position = nn.Embedding(places, columns)
        self.decoder = Block(columns, architecture.heads)
        self.decoder_norm = nn.LayerNorm(columns)
        self.decoder_out = nn.Linear(columns, architecture.patch**2 * COLOURS)
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)

    def velocity(self, latents: torch.Tensor, words: torch.Tensor, shown: torch.Tensor, time: float) -> torch.Tensor:
        """(batch, places, channels) of latents alike, for int64 words (batch, length), bool `shown` where not padding.

        time: 1 for pure noise, 0 for none.
        """
        batch, length = words.shape
        seen = torch.cat([shown, shown.new_ones(batch, 1 + latents.shape[1])], dim=1)
        clock = _sinusoids(torch.tensor([time], device=words.device), self.architecture.columns)
        positions = wide(self.position_embedding.weight)
        states = torch.cat(
            [
                wide(self.word_embedding(words)) + positions[:length],
                (clock + positions[self.architecture.context]).expand(batch, 1, -1),
                wide(linear(latents, self.latent_in)) + positions[self.architecture.context + 1 :],
            ],
            dim=1,
        )
        attend = partial(functional.scaled_dot_product_attention, attn_mask=seen[:, None, None, :])
        for block in self.blocks:
            states = block(states, attend)
        last = normalised(states[:, length + 1 :], self.norm)
        return wide(linear(last, self.latent_out))

    def decoded(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels (batch, rows, columns, colours) from 0 to 255, not rounded, of latents (batch, places, channels)."""
        sizes = self.architecture
        states = wide(linear(latents, self.decoder_in)) + wide(self.decoder_position.weight)
        states = normalised(self.decoder(states, functional.scaled_dot_product_attention), self.decoder_norm)
        patches = wide(linear(states, self.decoder_out))
        grid = patches.view(len(latents), sizes.side, sizes.side, sizes.patch, sizes.patch, COLOURS)
        image = grid.transpose(2, 3).reshape(len(latents), sizes.pixels, sizes.pixels, COLOURS)
        return 255 * torch.sigmoid(image)


@torch.inference_mode()
def paint(model: LatentDiffusion, requests: Sequence[ImageRequest]) -> Answers:
    """Final latents, a row (places x channels) each, and images (rows x columns x colours).

    Values of images are whole numbers from 0 to 255. Prompts of different lengths are padded on the right.
    """
    sizes, device = model.architecture, model.norm.weight.device
    longest = max(len(request.prompt) for request in requests)
    words = torch.tensor([r.prompt + (0,) * (longest - len(r.prompt)) for r in requests], device=device)
    shown = torch.tensor([[i < len(r.prompt) for i in range(longest)] for r in requests], device=device)
    noise = np.stack([initial_noise(request.seed, sizes) for request in requests])
    latents = torch.from_numpy(noise).to(device)
    for step in range(sizes.steps):
        latents = latents - model.velocity(latents, words, shown, 1 - step / sizes.steps) / sizes.steps
    images = torch.round(model.decoded(latents))
    return Answers(latents.flatten(1).cpu().numpy(), images.flatten(1).cpu().numpy())


def initial_noise(seed: int, sizes: DiffusionArchitecture) -> NDArray[np.float32]:
    """Standard normal numbers (places, channels), the same on every machine for a seed 0 <= seed < 2**64."""
    uniforms = random_uniforms(keccak(b"merit.images/1" + seed.to_bytes(32, "big")), 0, sizes.side**2 * sizes.channels)
    return ndtri(uniforms).reshape(-1, sizes.channels).astype(np.float32)


def load_diffusion(
    architecture: DiffusionArchitecture, weights: Sequence[Path], numeric_class: NumericClass
) -> LatentDiffusion:
    """The model for evaluation, from safetensors files. Raises RuntimeError when the weights do not fit."""
    # On the meta device nothing is allocated for sizes that the files do not back.
    with torch.device("meta"):
        model = LatentDiffusion(architecture)
    model.load_state_dict(load_tensors(weights), assign=True)
    return model.to(numeric_class.device, numeric_class.torch_dtype).eval().requires_grad_(False)


def _sinusoids(times: torch.Tensor, columns: int) -> torch.Tensor:
    """Sines and cosines (n, columns) of times (n,) at frequencies from 1 to 1000."""
    frequencies = torch.logspace(0, 3, columns // 2, device=times.device)
    angles = times[:, None].float() * frequencies
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)
