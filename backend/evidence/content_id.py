"""IPFS content identifiers, computed here: CIDv1 as `ipfs add --cid-version 1 --raw-leaves` gives them.

A file of at most one chunk is one raw block. A longer one is a balanced tree of UnixFS nodes over raw chunks: they are
grouped by `WIDTH`, level by level, until one root is left. Nodes are encoded as the specifications of dag-pb and UnixFS
say: links before data, every link with an empty name and the cumulative size of what it points to.
"""

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from chain.errors import MeritError

CHUNK = 256 * 1024
WIDTH = 174

_RAW = b"\x01\x55\x12\x20"  # CIDv1, raw codec, SHA-256, 32 bytes
_DAG_PB = b"\x01\x70\x12\x20"
_UNIXFS_FILE = b"\x08\x02"


class InvalidContentIdError(MeritError):
    """Text that is not a content identifier of the kinds that are used here."""


@dataclass(frozen=True)
class ContentId:
    """A CIDv1 with a SHA-256 digest: of the bytes themselves (`raw`), or of the root node of their tree."""

    raw: bool
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> "ContentId":
        """From base32 text. Raises `InvalidContentIdError` for anything but the one canonical spelling."""
        try:
            binary = base64.b32decode(text[1:].upper() + "=" * (-(len(text) - 1) % 8))
            found = cls(raw=binary[:4] == _RAW, digest=binary[4:])
        except ValueError:
            binary, found = b"", cls(raw=True, digest=b"")
        if binary[:4] not in (_RAW, _DAG_PB) or len(found.digest) != 32 or str(found) != text:
            raise InvalidContentIdError(
                "This is not a CIDv1 of raw or dag-pb content; use the one that the store gave."
            )
        return found

    @classmethod
    def from_binary(cls, binary: bytes) -> "ContentId | None":
        """From the 36 bytes that links hold; None for any other kind."""
        if binary[:4] not in (_RAW, _DAG_PB) or len(binary) != 36:
            return None
        return cls(raw=binary[:4] == _RAW, digest=binary[4:])

    @property
    def binary(self) -> bytes:
        """The 36 bytes that links hold."""
        return (_RAW if self.raw else _DAG_PB) + self.digest

    def __str__(self) -> str:
        return "b" + base64.b32encode(self.binary).decode().rstrip("=").lower()


@dataclass(frozen=True)
class Link:
    """A child in the tree: `size` bytes of the file below it, `stored` bytes in all blocks below it."""

    content: ContentId
    size: int
    stored: int


class TreeBuilder:
    """The tree over bytes that arrive in pieces. Memory is one chunk and one open node of each level.

    `on_block` is given every block of the tree, children before parents and the root last.
    """

    def __init__(self, on_block: Callable[[ContentId, bytes], object] = lambda _content, _block: None) -> None:
        self._on_block = on_block
        self._pending = bytearray()
        self._levels: list[list[Link]] = [[]]
        self._whole = sha256()
        self.size = 0

    @property
    def digest(self) -> bytes:
        """SHA-256 of all bytes so far: the name that the contracts use."""
        return self._whole.digest()

    def update(self, piece: bytes) -> None:
        """Add the next bytes."""
        self._whole.update(piece)
        self.size += len(piece)
        self._pending += piece
        while len(self._pending) > CHUNK:  # the last chunk stays pending, so that an end can be told from a boundary
            self._add_leaf(bytes(self._pending[:CHUNK]))
            del self._pending[:CHUNK]

    def finish(self) -> ContentId:
        """The identifier of all bytes given; the builder is used up."""
        self._add_leaf(bytes(self._pending))
        level = 0
        while level < len(self._levels) - 1 or len(self._levels[level]) > 1:
            self._close(level)
            level += 1
        return self._levels[level][0].content

    def _add_leaf(self, chunk: bytes) -> None:
        content = ContentId(raw=True, digest=sha256(chunk).digest())
        self._on_block(content, chunk)
        self._add(0, Link(content, len(chunk), len(chunk)))

    def _add(self, level: int, link: Link) -> None:
        if level == len(self._levels):
            self._levels.append([])
        if len(self._levels[level]) == WIDTH:
            self._close(level)
        self._levels[level].append(link)

    def _close(self, level: int) -> None:
        links, self._levels[level] = self._levels[level], []
        link, block = _node(links)
        self._on_block(link.content, block)
        self._add(level + 1, link)


def content_id(data: bytes) -> ContentId:
    """The identifier of `data`."""
    builder = TreeBuilder()
    builder.update(data)
    return builder.finish()


def content_id_of(path: Path) -> ContentId:
    """The identifier of a file, read in pieces."""
    builder = TreeBuilder()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            builder.update(piece)
    return builder.finish()


def linked_from(block: bytes) -> list[ContentId]:
    """What a dag-pb node links to, in order. Raises `InvalidContentIdError` for bytes that are not such a node."""
    children = []
    for tag, value in _fields(block):
        if tag == 0x12:
            child = next((ContentId.from_binary(name) for part, name in _fields(value) if part == 0x0A), None)
            if child is None:
                raise InvalidContentIdError(
                    "A node links to content that is neither raw nor dag-pb; add the file anew."
                )
            children.append(child)
    return children


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and values of a protobuf message's byte fields; its numbers are passed over."""
    at = 0

    def number() -> int:
        nonlocal at
        value, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    try:
        while at < len(message):
            tag = number()
            if tag & 7 == 0:
                number()
                continue
            length = number()
            if tag & 7 != 2 or at + length > len(message):
                raise IndexError
            yield tag, message[at : at + length]
            at += length
    except IndexError:
        raise InvalidContentIdError(
            "A block is not the dag-pb node that its name promises; add the file anew."
        ) from None


def _node(links: list[Link]) -> tuple[Link, bytes]:
    size = sum(link.size for link in links)
    unixfs = _UNIXFS_FILE + b"\x18" + varint(size) + b"".join(b"\x20" + varint(link.size) for link in links)
    block = b"".join(_field(0x12, _encoded_link(link)) for link in links) + _field(0x0A, unixfs)
    content = ContentId(raw=False, digest=sha256(block).digest())
    return Link(content, size, len(block) + sum(link.stored for link in links)), block


def _encoded_link(link: Link) -> bytes:
    return _field(0x0A, link.content.binary) + b"\x12\x00" + b"\x18" + varint(link.stored)


def _field(tag: int, value: bytes) -> bytes:
    return bytes([tag]) + varint(len(value)) + value


def varint(value: int) -> bytes:
    """Unsigned LEB128."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
