"""A local causal model that writes answers: a directory as `transformers` saves one, with its tokenizer."""

import json
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer

from verifier.models.causal import CausalModel
from verifier.models.errors import ModelError
from verifier.models.numeric_class import NumericClass
from verifier.models.transformers_model import load_transformers
from verifier.models.weights import weight_files
from verifier.retrieval.answering import NoAnswerError, Prompt


class LocalGenerator:
    """Decodes greedily: the same prompt gives the same text. Not safe to share between threads."""

    def __init__(self, model: CausalModel, tokenizer: Tokenizer, ends: frozenset[int], longest: int) -> None:
        """ends: tokens at which a text is over. longest: tokens that a text may have."""
        self._model = model
        self._tokenizer = tokenizer
        # What looks like the end of a text, or like another speaker's turn, in a stranger's passage is only text.
        self._tokenizer.encode_special_tokens = True
        self._ends = ends
        self._longest = longest

    def write(self, prompt: Prompt, until: float) -> str:
        """As `Generator.write`."""
        tokens = self._fitted(prompt)
        written: list[int] = []
        cache = self._model.new_cache(1, len(tokens) + self._longest)
        with torch.inference_mode():
            following = tokens
            while len(written) < self._longest:
                if time.monotonic() > until:
                    raise NoAnswerError("The answer was not written in time.")
                hidden = self._model.hidden(torch.tensor([following], device=self._model.device), cache)
                token = int(self._model.logits(hidden[0, -1]).argmax())
                if token in self._ends:
                    break
                written.append(token)
                following = [token]
        text: str = self._tokenizer.decode(written, skip_special_tokens=True)
        return text

    def _fitted(self, prompt: Prompt) -> list[int]:
        """The prompt as tokens, each passage cut to an equal part of what the model can take besides."""
        opening = self._tokens(prompt.opening, add_special_tokens=True)
        while opening and opening[-1] in self._ends:  # some tokenizers end every text
            opening.pop()
        closing = self._tokens(prompt.closing)
        room = self._model.context - self._longest - len(opening) - len(closing)
        each = room // max(1, len(prompt.passages))
        if each < 1:
            raise NoAnswerError(
                f"The question does not fit the model, which takes {self._model.context} tokens; ask a shorter one."
            )
        line_break = self._tokens("\n")
        passages = [self._cut(self._tokens(passage), each, line_break) for passage in prompt.passages]
        return [*opening, *(token for passage in passages for token in passage), *closing]

    def _cut(self, passage: Sequence[int], most: int, line_break: Sequence[int]) -> list[int]:
        if len(passage) <= most:
            return list(passage)
        return [*passage[: max(0, most - len(line_break))], *line_break][:most]

    def _tokens(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids
        return tokens


def load_generator(directory: Path, longest: int) -> LocalGenerator:
    """The model of a directory as `transformers` saves one, with its tokenizer.json, on a GPU where there is one.

    longest: tokens of an answer. Raises ModelError where files are missing, do not fit each other, or name code.
    """
    for name in ("config.json", "tokenizer.json"):
        if not (directory / name).is_file():
            raise ModelError(f"{directory / name} does not exist; save the model and its tokenizer into one directory")
    numeric = NumericClass("cuda", "bfloat16") if torch.cuda.is_available() else NumericClass("cpu", "float32")
    try:
        config = json.loads((directory / "config.json").read_bytes())
        tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        model = load_transformers(config, weight_files(directory), numeric)
        ends = config.get("eos_token_id")
    except ModelError:
        raise
    except Exception as error:  # whatever broken files provoke in a loader means the same thing
        raise ModelError(f"the files in {directory} do not make a model: {error}") from error
    if tokenizer.get_vocab_size() > model.vocabulary:
        raise ModelError(f"the tokenizer in {directory} has tokens that its model does not know; take the model's own")
    if model.context <= longest:
        raise ModelError(f"the model in {directory} takes {model.context} tokens, too few for answers of {longest}")
    known = ends if isinstance(ends, list) else [] if ends is None else [ends]
    return LocalGenerator(model, tokenizer, frozenset(known), longest)
