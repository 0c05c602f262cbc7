"""A directory of evidence, each file named by the SHA-256 digest of its bytes.

A file appears whole or not at all, and its name is checked against its bytes before it appears.
"""

import os
import tempfile
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from backend.evidence.content_id import ContentId, TreeBuilder, content_id_of
from backend.problems import ProblemError


@dataclass(frozen=True)
class Stored:
    """What was stored: the contracts' name for it, IPFS's name for it, and its length in bytes."""

    digest: bytes
    content_id: ContentId
    size: int


class EvidenceStore:
    """Content-addressed files below one directory."""

    def __init__(self, directory: Path, limit: int, *, mirrored: bool = False) -> None:
        """`limit`: of one piece, in bytes. `mirrored`: keep a note of what is new until it was copied elsewhere."""
        self._directory = directory
        self._limit = limit
        self._mirrored = mirrored
        self._incoming = directory / "incoming"
        self._names = directory / "names"
        self._unmirrored = directory / "unmirrored"
        for folder in (self._incoming, self._names, self._unmirrored):
            folder.mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes) -> Stored:
        """Store bytes that are at hand."""
        with _Incoming(self._incoming, self._limit) as incoming:
            incoming.write(data)
            return self._keep(incoming)

    async def put_stream(self, pieces: AsyncIterable[bytes], check: Callable[[bytes], None]) -> Stored:
        """Store bytes as they arrive. Keeps nothing where `check` raises for their SHA-256 digest.

        Raises a 413 problem once they exceed the limit.
        """
        with _Incoming(self._incoming, self._limit) as incoming:
            async for piece in pieces:
                incoming.write(piece)
            check(incoming.digest)
            return self._keep(incoming)

    def path(self, digest: bytes) -> Path | None:
        """Where the bytes with this digest are, if they are here."""
        path = self._path(digest)
        return path if path.exists() else None

    def get(self, digest: bytes) -> bytes | None:
        """The bytes with this digest, if they are here."""
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            return None

    def digest_of(self, content: ContentId) -> bytes | None:
        """The SHA-256 digest of what an identifier names; None for a tree that is not here."""
        if content.raw:
            return content.digest
        try:
            return bytes.fromhex((self._names / str(content)).read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def digests(self) -> Iterator[bytes]:
        """Everything that is stored, in no particular order."""
        for path in self._directory.glob("??/*"):
            yield bytes.fromhex(path.name)

    def renew(self, digest: bytes, now: float) -> None:
        """Note that the bytes with this digest, if they are here, are needed at Unix second `now`."""
        with suppress(FileNotFoundError):
            os.utime(self._path(digest), (now, now))

    def remove_unused(self, before: float) -> Iterator[ContentId]:
        """Remove what was last stored or needed before a Unix second; yields what each piece was called."""
        for digest in list(self.digests()):
            path, aside = self._path(digest), self._incoming / digest.hex()
            if path.stat().st_mtime >= before:
                continue
            path.replace(aside)
            if aside.stat().st_mtime >= before:  # stored again in between
                aside.replace(path)
                continue
            content = content_id_of(aside)
            aside.unlink()
            if not content.raw and not path.exists():
                (self._names / str(content)).unlink(missing_ok=True)
            yield content

    def unmirrored(self) -> Iterator[bytes]:
        """What was stored and not yet noted as copied."""
        for path in self._unmirrored.iterdir():
            yield bytes.fromhex(path.name)

    def note_mirrored(self, digest: bytes) -> None:
        """It has been copied."""
        (self._unmirrored / digest.hex()).unlink(missing_ok=True)

    def _path(self, digest: bytes) -> Path:
        name = digest.hex()
        return self._directory / name[:2] / name

    def _keep(self, incoming: "_Incoming") -> Stored:
        stored = incoming.finish()
        if not stored.content_id.raw:
            _write_atomically(self._names / str(stored.content_id), stored.digest.hex().encode(), self._incoming)
        target = self._path(stored.digest)
        target.parent.mkdir(exist_ok=True)
        if self._mirrored and not target.exists():
            (self._unmirrored / target.name).touch()
        incoming.path.replace(target)
        return stored


class _Incoming:
    """A file that is being received; it is removed unless it was moved away."""

    def __init__(self, directory: Path, limit: int) -> None:
        self._limit = limit
        self._builder = TreeBuilder()
        descriptor, name = tempfile.mkstemp(dir=directory)
        self.path = Path(name)
        self._file = os.fdopen(descriptor, "wb")

    def __enter__(self) -> "_Incoming":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)

    @property
    def digest(self) -> bytes:
        """SHA-256 of what was written."""
        return self._builder.digest

    def write(self, piece: bytes) -> None:
        if self._builder.size + len(piece) > self._limit:
            raise ProblemError(
                413,
                "evidence-too-large",
                f"Evidence may have {self._limit} bytes at most; send less.",
                limit=self._limit,
            )
        self._builder.update(piece)
        self._file.write(piece)

    def finish(self) -> Stored:
        self._file.flush()
        os.fsync(self._file.fileno())
        digest, size = self._builder.digest, self._builder.size
        return Stored(digest=digest, content_id=self._builder.finish(), size=size)


def _write_atomically(path: Path, data: bytes, directory: Path) -> None:
    descriptor, name = tempfile.mkstemp(dir=directory)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    Path(name).replace(path)
