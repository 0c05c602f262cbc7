"""Archives: byte for byte as the specification says, and nothing believed that a block's name does not prove."""

from hashlib import sha256
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.evidence.car import InvalidArchiveError, read_car, write_car
from backend.evidence.content_id import CHUNK, WIDTH, ContentId, InvalidContentIdError, TreeBuilder, content_id, varint

HELLO = b"hello"


def archive(data: bytes) -> bytes:
    target = BytesIO()
    write_car(data, target)
    return target.getvalue()


def header(root: ContentId) -> bytes:
    """By the specification: dag-cbor of {"roots": [root], "version": 1}, tag 42 and a zero byte before the CID."""
    return bytes.fromhex("3aa265726f6f747381d82a582500") + root.binary + bytes.fromhex("6776657273696f6e01")


def section(name: ContentId, block: bytes) -> bytes:
    return varint(36 + len(block)) + name.binary + block


def test_archive__of_one_block__is_what_the_specification_says() -> None:
    name = ContentId(raw=True, digest=sha256(HELLO).digest())
    assert archive(HELLO) == header(name) + bytes([41]) + name.binary + HELLO


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7])
def test_archive__of_any_size__gives_its_file_back(size: int) -> None:
    data = bytes(size // 2) + b"x" * (size - size // 2)
    assert read_car(BytesIO(archive(data))) == (content_id(data), data)


def test_archive__wider_than_one_node__gives_its_file_back() -> None:
    data = bytes(CHUNK) * WIDTH + b"further"
    assert read_car(BytesIO(archive(data))) == (content_id(data), data)


@given(at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_archive__with_any_bit_changed__is_refused(at: int, bit: int) -> None:
    whole = bytearray(archive(bytes(range(256)) * 4))
    whole[at % len(whole)] ^= 1 << bit
    with pytest.raises((InvalidArchiveError, InvalidContentIdError), match=r"\.$"):
        read_car(BytesIO(bytes(whole)))


@pytest.mark.parametrize("cut", [0, 1, 30, 59, 60, 70])
def test_archive__cut_short__is_refused(cut: int) -> None:
    with pytest.raises(InvalidArchiveError):
        read_car(BytesIO(archive(HELLO)[:cut]))


def test_archive__of_a_file_that_was_cut_otherwise__is_refused() -> None:
    parts = [ContentId(raw=True, digest=sha256(part).digest()) for part in (b"he", b"llo")]
    node = b"".join(bytes([0x12, 38, 0x0A, 36]) + part.binary for part in parts)
    root = ContentId(raw=False, digest=sha256(node).digest())
    blocks = section(parts[0], b"he") + section(parts[1], b"llo") + section(root, node)
    with pytest.raises(InvalidArchiveError, match="cut otherwise"):
        read_car(BytesIO(header(root) + blocks))


def test_archive__that_links_one_block_again_and_again__is_given_up() -> None:
    """Twenty nodes of which each links the next twice are a million blocks to whoever follows them."""
    empty = ContentId(raw=True, digest=sha256(b"").digest())
    blocks, child = section(empty, b""), empty
    for _ in range(20):
        node = (bytes([0x12, 38, 0x0A, 36]) + child.binary) * 2
        child = ContentId(raw=False, digest=sha256(node).digest())
        blocks += section(child, node)
    with pytest.raises(InvalidArchiveError, match="links too many"):
        read_car(BytesIO(header(child) + blocks))


def test_blocks__of_the_tree__are_all_in_the_archive() -> None:
    data, names = bytes(2 * CHUNK + 1), list[ContentId]()
    builder = TreeBuilder(lambda name, _: names.append(name))
    builder.update(data)
    builder.finish()
    assert len(names) == 4
    assert all(name.binary in archive(data) for name in names)
