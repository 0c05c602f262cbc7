"""The generator against the vectors published with it, and against the same algorithm on Python's integers."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.fingerprint.philox import philox_block, random_uniforms, random_words

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "fingerprint_philox.json").read_text())


def reference_block(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x32-10 as in the paper's figure 3, on integers of any size."""
    for step in range(10):
        left = 0xD2511F53 * counter[0]
        right = 0xCD9E8D57 * counter[2]
        round_key = ((key[0] + step * 0x9E3779B9) % 2**32, (key[1] + step * 0xBB67AE85) % 2**32)
        counter = (
            (right >> 32) ^ counter[1] ^ round_key[0],
            right % 2**32,
            (left >> 32) ^ counter[3] ^ round_key[1],
            left % 2**32,
        )
    return counter


def reference_words(key: bytes, domain: int, count: int) -> list[int]:
    """The first words of a domain, by the module's rule for keys."""
    k0, k1, c2, c3 = (int.from_bytes(key[i : i + 4], "little") for i in range(0, 16, 4))
    words: list[int] = []
    while len(words) < count:
        words += reference_block((len(words) // 4, domain, c2, c3), (k0, k1))
    return words[:count]


@pytest.mark.parametrize("vector", VECTORS["random123"])
def test_block__random123_vectors__published_words(vector: dict[str, list[str]]) -> None:
    counter, key, words = ([int(word, 16) for word in vector[name]] for name in ("counter", "key", "words"))
    packed = np.array([*key, counter[2], counter[3]], dtype=np.uint64)
    assert [int(word) for word in philox_block(counter[0], counter[1], packed)] == words
    assert list(reference_block(tuple(counter), tuple(key))) == words  # type: ignore[arg-type]


@pytest.mark.parametrize("vector", VECTORS["streams"])
def test_random_words__our_vectors__same_words(vector: dict[str, object]) -> None:
    key, domain, words = bytes.fromhex(str(vector["key"])), int(str(vector["domain"])), vector["words"]
    assert isinstance(words, list)
    assert [f"{word:08x}" for word in random_words(key, domain, len(words))] == words


@given(key=st.binary(min_size=32, max_size=32), domain=st.integers(0, 2**32 - 1), count=st.integers(0, 40))
def test_random_words__any_key__same_as_on_python_integers(key: bytes, domain: int, count: int) -> None:
    assert random_words(key, domain, count).tolist() == reference_words(key, domain, count)


def test_random_words__two_domains__unrelated() -> None:
    first, second = (random_words(bytes(32), domain, 4096) for domain in (0, 1))
    assert np.count_nonzero(first == second) < 3


def test_random_uniforms__many__inside_the_open_interval_and_even() -> None:
    drawn = random_uniforms(bytes(range(32)), 5, 100_000)
    assert drawn.min() > 0
    assert drawn.max() < 1
    # Standard error of the mean is 0.0009; of each decile's count 95.
    assert abs(drawn.mean() - 0.5) < 0.005
    assert np.abs(np.histogram(drawn, bins=10, range=(0, 1))[0] - 10_000).max() < 500


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_random_words__key_of_another_length__refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        random_words(bytes(length), 0, 1)
