"""Encoders of the `transformers` library, from local files: embeddings by mean pooling, and sequence classification."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, AutoModelForSequenceClassification

from verifier.models.numeric_class import NumericClass
from verifier.models.transformers_model import load_network


class TransformersEncoder(nn.Module):
    """An `Encoder` around a pre-trained one, with a classification head where it has `labels`."""

    def __init__(self, network: Any, labels: int) -> None:
        super().__init__()
        self.network = network
        self.labels = labels
        self.vocabulary = int(network.config.vocab_size)
        self.context = int(network.config.max_position_embeddings)
        self.columns = int(network.config.hidden_size) + labels

    def rows(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        device = self.network.device
        output = self.network(
            input_ids=tokens.to(device), attention_mask=mask.to(device), output_hidden_states=self.labels > 0
        )
        states = output.hidden_states[-1] if self.labels else output.last_hidden_state
        shown = mask.to(device).unsqueeze(-1).float()
        embedding: torch.Tensor = (states.float() * shown).sum(dim=1) / shown.sum(dim=1)
        return torch.cat([embedding, output.logits.float()], dim=1) if self.labels else embedding


def load_embedder(
    config: Mapping[str, Any], weights: Sequence[Path], numeric_class: NumericClass
) -> TransformersEncoder:
    """The model without a head. Raises ModelError unless config and weights fit exactly."""
    return TransformersEncoder(load_network(AutoModel, config, weights, numeric_class), labels=0)


def load_classifier(
    config: Mapping[str, Any], weights: Sequence[Path], numeric_class: NumericClass
) -> TransformersEncoder:
    """The model with its head. Raises ModelError unless config and weights fit exactly."""
    network = load_network(AutoModelForSequenceClassification, config, weights, numeric_class)
    return TransformersEncoder(network, labels=int(network.config.num_labels))
