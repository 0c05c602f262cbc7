"""The arithmetic in which a model is run: part of a job's terms, because honest numbers agree only within one."""

from dataclasses import dataclass

import torch

from verifier.models.errors import ModelError

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class NumericClass:
    """Device and floating-point type of weights and activations, written as "cpu-bfloat16". Never chosen by default."""

    device: str
    dtype: str

    def __post_init__(self) -> None:
        if self.device not in {"cpu", "cuda"} or self.dtype not in _DTYPES:
            raise ModelError(f"numeric class {self} is not one of cpu|cuda with {'|'.join(_DTYPES)}")

    def __str__(self) -> str:
        return f"{self.device}-{self.dtype}"

    @staticmethod
    def parse(text: str) -> "NumericClass":
        """Raises ModelError for anything that is not a known class."""
        device, _, dtype = text.partition("-")
        return NumericClass(device, dtype)

    @property
    def torch_dtype(self) -> torch.dtype:
        return _DTYPES[self.dtype]
