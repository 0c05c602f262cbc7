"""What an audit asks of a contributor: which leaves, under which keys, and the block that opens their traces."""

import base64
import json
from collections.abc import Sequence

from chain.contribution import canonical_json
from chain.sampling import fingerprint_key, sampled_positions
from verifier.fingerprint.challenge import leaf_key
from verifier.node.audit import Round


def sampled_keys(drawn: Round, count: int, samples: int) -> list[tuple[int, bytes]]:
    """For each sampled leaf its position in the batch of `count` and the key of its fingerprint, in sample order."""
    key = fingerprint_key(drawn.seed)
    return [(position, leaf_key(key, position)) for position in sampled_positions(drawn.sample_seed, count, samples)]


def openings_block(openings: Sequence[bytes]) -> bytes:
    """The evidence block with the opening of each sampled leaf, in sample order."""
    return canonical_json({"openings": [base64.b64encode(opening).decode() for opening in openings]})


def parse_openings(block: bytes, samples: int) -> list[bytes]:
    """The openings in a stranger's block; empty ones where it does not hold `samples` of them."""
    try:
        openings = [base64.b64decode(text, validate=True) for text in json.loads(block)["openings"]]
    except Exception:  # whatever hostile bytes provoke in the parser means the same thing
        openings = []
    return openings if len(openings) == samples else [b""] * samples
