"""Trains the small diffusion model on pictures that every machine can draw: a coloured figure on a grey ground."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from verifier.models.diffusion import COLOURS, DiffusionArchitecture, ImageRequest, LatentDiffusion
from verifier.models.mixed_precision import Block
from verifier.models.training import kept_weights

# A prompt tells some of these, in this order; what it does not tell is left to chance.
WORDS = {
    "colour": (1, 2, 3, 4),
    "figure": (5, 6, 7),
    "row": (8, 9),
    "column": (10, 11),
    "size": (12, 13),
}
VOCABULARY = 14
_PALETTE = np.array([[230, 60, 50], [70, 200, 90], [70, 110, 240], [240, 220, 80]], dtype=np.float32)


@dataclass(frozen=True)
class DiffusionRecipe:
    """Everything that decides the weights; `decoder_steps` are those of the autoencoder, before the `steps` of all."""

    architecture: DiffusionArchitecture = field(
        default_factory=lambda: DiffusionArchitecture(vocabulary=VOCABULARY, context=len(WORDS))
    )
    decoder_steps: int = 300
    steps: int = 400
    batch: int = 16
    learning_rate: float = 3e-3
    seed: int = 1


def diffusion_weights(recipe: DiffusionRecipe, cache: Path) -> Path:
    """The safetensors file with the bfloat16 weights that the recipe gives; trains when it is not in the cache."""
    told = json.dumps([asdict(recipe), torch.__version__], sort_keys=True).encode()
    return kept_weights(told, cache, lambda: _trained(recipe))


def prompts(count: int, seed: int) -> list[ImageRequest]:
    """Requests for pictures of all kinds, from a word to a full description."""
    draw = np.random.default_rng(seed)
    asked = []
    for _ in range(count):
        _, prompt = _description(draw)
        asked.append(ImageRequest(prompt, int(draw.integers(2**63))))
    return asked


def _description(draw: np.random.Generator) -> tuple[dict[str, int], tuple[int, ...]]:
    """A picture's properties, each by its place among its words, and a prompt that tells at least one of them."""
    properties = {name: int(draw.integers(len(words))) for name, words in WORDS.items()}
    told = draw.random(len(WORDS)) < 0.6
    told[draw.integers(len(WORDS))] = True
    prompt = [WORDS[name][place] for (name, place), tell in zip(properties.items(), told, strict=True) if tell]
    return properties, tuple(prompt)


def _picture(properties: dict[str, int], pixels: int, draw: np.random.Generator) -> NDArray[np.float32]:
    """(pixels, pixels, colours) from 0 to 1."""
    radius = pixels * (0.2, 0.3)[properties["size"]]
    centre = [pixels * (0.33 + 0.34 * properties[axis] + draw.normal(0, 0.02)) for axis in ("row", "column")]
    down, right = np.abs(np.mgrid[:pixels, :pixels] + 0.5 - np.array(centre)[:, None, None])
    inside = (
        np.hypot(down, right) < radius,
        np.maximum(down, right) < 0.85 * radius,
        (np.minimum(down, right) < 0.35 * radius) & (np.maximum(down, right) < radius),
    )[properties["figure"]]
    image = np.full((pixels, pixels, COLOURS), 128, dtype=np.float32)
    image[inside] = _PALETTE[properties["colour"]]
    return image / np.float32(255)


def _batch(
    sizes: DiffusionArchitecture, count: int, draw: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pictures cut to patches (count, places, values), words (count, context) and which of them are shown."""
    described = [_description(draw) for _ in range(count)]
    images = torch.from_numpy(np.stack([_picture(properties, sizes.pixels, draw) for properties, _ in described]))
    words = torch.tensor([prompt + (0,) * (sizes.context - len(prompt)) for _, prompt in described])
    return _patches(images, sizes), words, words > 0


class _Encoder(nn.Module):
    """Patches to latents of mean 0 and deviation 1 in each picture; needed for training only."""

    def __init__(self, sizes: DiffusionArchitecture) -> None:
        super().__init__()
        self.patch_in = nn.Linear(sizes.patch**2 * COLOURS, sizes.columns)
        self.position = nn.Embedding(sizes.side**2, sizes.columns)
        self.block = Block(sizes.columns, sizes.heads)
        self.latent_out = nn.Linear(sizes.columns, sizes.channels)
        nn.init.normal_(self.position.weight, std=0.02)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        states = self.block(self.patch_in(patches) + self.position.weight, functional.scaled_dot_product_attention)
        latents: torch.Tensor = self.latent_out(states)
        return functional.layer_norm(latents, latents.shape[1:])


def _trained(recipe: DiffusionRecipe) -> LatentDiffusion:
    sizes = recipe.architecture
    draw = np.random.default_rng(recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model, encoder = LatentDiffusion(sizes), _Encoder(sizes)

        def decoding() -> torch.Tensor:
            patches, _, _ = _batch(sizes, recipe.batch, draw)
            latents = encoder(patches)
            # A little noise makes near latents decode alike, as the variance of an autoencoder's posterior does.
            images = model.decoded(latents + 0.1 * torch.randn_like(latents)) / 255
            return functional.mse_loss(_patches(images, sizes), patches)

        def flowing() -> torch.Tensor:
            patches, words, shown = _batch(sizes, recipe.batch, draw)
            with torch.no_grad():
                latents = encoder(patches)
            time, noise = float(draw.random()), torch.randn_like(latents)
            guess = model.velocity((1 - time) * latents + time * noise, words, shown, time)
            return functional.mse_loss(guess, noise - latents)

        _optimise([*model.parameters(), *encoder.parameters()], decoding, recipe.decoder_steps, recipe.learning_rate)
        _optimise(list(model.parameters()), flowing, recipe.steps, recipe.learning_rate)
    return model


def _patches(images: torch.Tensor, sizes: DiffusionArchitecture) -> torch.Tensor:
    grid = images.view(len(images), sizes.side, sizes.patch, sizes.side, sizes.patch, COLOURS).transpose(2, 3)
    return grid.reshape(len(images), sizes.side**2, -1)


def _optimise(
    parameters: list[nn.Parameter], loss: Callable[[], torch.Tensor], steps: int, learning_rate: float
) -> None:
    optimiser = torch.optim.AdamW(parameters, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps)
    for _ in range(steps):
        optimiser.zero_grad()
        torch.autograd.backward(loss())
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        schedule.step()
