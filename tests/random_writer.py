"""A small model that can be asked for text, as the `transformers` library saves one with its tokenizer."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, LlamaConfig
from transformers.utils import logging

END, CONTEXT, VOCABULARY = 0, 512, 300


def save_random_writer(directory: Path) -> None:
    """A random model over bytes; its tokenizer begins and ends each text with the token END, written `<end>`."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({"<end>": END, **{one: at for at, one in enumerate(alphabet, 1)}}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="<end> $A <end>", special_tokens=[("<end>", END)])
    tokenizer.save(str(directory / "tokenizer.json"))
    torch.manual_seed(4)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        bos_token_id=END,
        eos_token_id=END,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        initializer_range=1.0,  # so that what it writes depends on all that it reads
    )
    build: Any = AutoModelForCausalLM.from_config
    build(config).save_pretrained(directory)
