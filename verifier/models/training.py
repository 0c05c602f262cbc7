"""Trains the small GPT on text that every machine has: the sources of Python's standard library."""

import hashlib
import json
import sysconfig
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from verifier.models.gpt import Gpt, GptArchitecture

END_TOKEN = 0
_CORPUS_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Recipe:
    """Everything, but for the corpus, that decides the weights."""

    architecture: GptArchitecture
    steps: int = 500
    batch: int = 8
    learning_rate: float = 3e-3
    seed: int = 1


def standard_library_corpus() -> bytes:
    """The first 4 MiB of the standard library's modules, in the order of their names, each ended by a zero byte."""
    root = Path(sysconfig.get_path("stdlib"))
    corpus = bytearray()
    for path in sorted(root.glob("*.py")) + sorted(root.glob("[a-z]*/*.py")):
        if path.parent.name in {"site-packages", "test", "idlelib", "lib2to3", "turtledemo"}:
            continue
        corpus += path.read_bytes().replace(b"\0", b" ") + bytes([END_TOKEN])
        if len(corpus) >= _CORPUS_BYTES:
            break
    return bytes(corpus[:_CORPUS_BYTES])


def trained_weights(
    recipe: Recipe, corpus: bytes, cache: Path, progress: Callable[[int, float], None] | None = None
) -> Path:
    """Path of the safetensors file with the bfloat16 weights that `recipe` gives on `corpus`; trains when not in cache.

    The file is named by the hash of the recipe, the corpus and torch's version, so that a change of any trains anew.
    progress: called after each step with the step and the loss in nats a byte.
    """
    told = json.dumps([asdict(recipe), torch.__version__], sort_keys=True).encode()
    return kept_weights(told + corpus, cache, lambda: _trained(recipe, corpus, progress))


def kept_weights(decisive: bytes, cache: Path, train: Callable[[], nn.Module]) -> Path:
    """The safetensors file of what `train` gives, in bfloat16, named by the hash of all that decides it."""
    path = cache / f"{hashlib.sha256(decisive).hexdigest()[:32]}.safetensors"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        model = train().to(torch.bfloat16)
        unfinished = path.with_suffix(".part")
        save_file(dict(model.state_dict()), unfinished)
        unfinished.replace(path)
    return path


def _trained(recipe: Recipe, corpus: bytes, progress: Callable[[int, float], None] | None) -> Gpt:
    tokens = torch.frombuffer(bytearray(corpus), dtype=torch.uint8).long()
    generator = torch.Generator().manual_seed(recipe.seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = Gpt(recipe.architecture)
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, total_steps=recipe.steps)
    length = recipe.architecture.context
    for step in range(recipe.steps):
        starts = torch.randint(len(tokens) - length - 1, (recipe.batch, 1), generator=generator)
        windows = tokens[starts + torch.arange(length + 1)]
        hidden = model.hidden(windows[:, :-1])
        loss = functional.cross_entropy(model.logits(hidden).flatten(0, 1), windows[:, 1:].flatten())
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if progress is not None:
            progress(step, loss.item())
    return model
