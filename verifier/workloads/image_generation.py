"""Image generation with a registered diffusion model: a prompt and a seed give latents, and these a picture.

The trace is the final latent, which the picture is decoded from. Pictures are compared too, value by value: the right
latent beside another picture (of a cheaper decoder, or with something painted in) is as wrong as another latent.
"""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from verifier.fingerprint.sampling import MAXIMUM_SEED
from verifier.models.answers import Answers, value_margins
from verifier.models.diffusion import ImageRequest, LatentDiffusion, paint
from verifier.models.store import Registered
from verifier.workloads.single_pass import SinglePass
from verifier.workloads.strict_json import base64_bytes, check_keys, integer, tokens


class ImageGeneration(SinglePass[ImageRequest, bytes]):
    """Serves the picture as 8-bit values in the order rows, columns, colours (red, green, blue)."""

    FORMAT = "merit-image/1"

    def __init__(self, registered: Registered[LatentDiffusion]) -> None:
        self.model = registered.model
        sizes = self.model.architecture
        super().__init__(registered.manifest, 7 * sizes.context + 2 * sizes.values)

    def served(self, values: NDArray[np.float32]) -> bytes:
        return values.astype(np.uint8).tobytes()

    def _answers(self, requests: Sequence[ImageRequest]) -> Answers:
        return paint(self.model, requests)

    def _margins(self, own: NDArray[np.float32], output: bytes) -> NDArray[np.float64]:
        return value_margins(own, np.frombuffer(output, dtype=np.uint8).astype(np.float32))

    def _read_request(self, value: Any) -> ImageRequest:
        check_keys(value, {"prompt", "seed"})
        sizes = self.model.architecture
        prompt = tokens(value["prompt"], sizes.context, sizes.vocabulary)
        return ImageRequest(prompt, integer(value["seed"], MAXIMUM_SEED))

    def _written(self, output: bytes) -> str:
        return base64.b64encode(output).decode()

    def _read(self, value: Any) -> bytes:
        return base64_bytes(value, self.model.architecture.values)
