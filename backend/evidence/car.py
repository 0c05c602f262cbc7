"""Evidence as an archive that every IPFS tool reads (CARv1): one root, and the blocks of its tree.

file    = header section*
header  = varint(length) dag-cbor({"roots": [root], "version": 1})
section = varint(length) CID block
"""

from hashlib import sha256
from typing import BinaryIO

from backend.evidence.content_id import ContentId, TreeBuilder, content_id, linked_from, varint
from chain.errors import MeritError

_BEFORE_ROOT = bytes.fromhex("a265726f6f747381d82a582500")  # {"roots": [42(h'00…
_AFTER_ROOT = bytes.fromhex("6776657273696f6e01")  # …)], "version": 1}
_CID = 36  # bytes of a ContentId
_LARGEST_SECTION = 2 << 20  # IPFS exchanges no larger blocks
_MOST_BLOCKS = 1 << 16  # a hostile archive may link one block any number of times


class InvalidArchiveError(MeritError):
    """A file that is not an archive of one file in the form that is used here."""


def write_car(data: bytes, target: BinaryIO) -> ContentId:
    """Write the archive of `data`; returns its root."""
    root = content_id(data)
    header = _BEFORE_ROOT + root.binary + _AFTER_ROOT
    target.write(varint(len(header)) + header)
    builder = TreeBuilder(lambda name, block: target.write(varint(_CID + len(block)) + name.binary + block))
    builder.update(data)
    builder.finish()
    return root


def read_car(source: BinaryIO) -> tuple[ContentId, bytes]:
    """The root and the file under it, every block checked. Raises `InvalidArchiveError`."""
    header = _section(source)
    if header is None or (header[: len(_BEFORE_ROOT)], header[-len(_AFTER_ROOT) :]) != (_BEFORE_ROOT, _AFTER_ROOT):
        raise InvalidArchiveError("This is not a CARv1 archive with one root; export the file again.")
    root = _parse(header[len(_BEFORE_ROOT) : -len(_AFTER_ROOT)])
    blocks: dict[ContentId, bytes] = {}
    while (section := _section(source)) is not None:
        name, block = _parse(section[:_CID]), section[_CID:]
        if sha256(block).digest() != name.digest:
            raise InvalidArchiveError(f"The block {name} of the archive is damaged; export the file again.")
        blocks[name] = block
    data = _file_under(root, blocks)
    if content_id(data) != root:
        raise InvalidArchiveError(
            "The archive's file was cut otherwise than `ipfs add --cid-version 1 --raw-leaves` does; add it that way."
        )
    return root, data


def _file_under(root: ContentId, blocks: dict[ContentId, bytes]) -> bytes:
    data = bytearray()
    waiting, seen = [root], 0
    while waiting:
        name = waiting.pop()
        seen += 1
        if name not in blocks or seen > _MOST_BLOCKS:
            raise InvalidArchiveError(f"The archive lacks the block {name}, or links too many; export the file again.")
        if name.raw:
            data += blocks[name]
        else:
            waiting += reversed(linked_from(blocks[name]))
    return bytes(data)


def _parse(binary: bytes) -> ContentId:
    name = ContentId.from_binary(binary)
    if name is None:
        raise InvalidArchiveError(
            "The archive holds blocks other than raw and dag-pb under SHA-256; add the file anew."
        )
    return name


def _section(source: BinaryIO) -> bytes | None:
    """The next section; None at the end of the archive."""
    length, shift = 0, 0
    while True:
        byte = source.read(1)
        if not byte and shift == 0:
            return None
        if not byte or shift > 21:
            raise _cut_short()
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if byte[0] < 0x80:
            break
    section = source.read(length) if length <= _LARGEST_SECTION else b""
    if len(section) != length:
        raise _cut_short()
    return section


def _cut_short() -> InvalidArchiveError:
    return InvalidArchiveError("The archive is cut short or damaged; export the file again.")
