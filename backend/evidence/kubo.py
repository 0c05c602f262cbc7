"""Evidence in IPFS too, where a Kubo daemon's address is set. What it says about content is recomputed here."""

import time
from pathlib import Path

import ipfshttpclient
import requests
from ipfshttpclient.exceptions import Error as KuboFault
from ipfshttpclient.exceptions import ErrorResponse

from backend.evidence.content_id import ContentId, TreeBuilder, content_id_of
from backend.evidence.store import EvidenceStore
from chain.errors import MeritError

_TIMEOUT = 30.0  # seconds, of each wait and of a whole fetch
_FAULTS = (KuboFault, requests.RequestException)


class KuboError(MeritError):
    """The daemon cannot be reached, or is not one."""


class Kubo:
    """One daemon, by the multiaddr of its API."""

    def __init__(self, address: str, timeout: float = _TIMEOUT) -> None:
        # The client's own `connect` refuses daemons newer than itself; the three calls used here have not changed.
        self._client = ipfshttpclient.Client(address, timeout=timeout, session=True)
        # A daemon never redirects. Whoever answers in its place could lead into the network that this machine is in.
        self._client._client._session.max_redirects = 0
        self._address = address
        self._timeout = timeout

    def add(self, path: Path, expected: ContentId) -> None:
        """Add and pin a file. Raises `KuboError` where the daemon fails, or names the content otherwise."""
        try:
            answer = self._client.add(str(path), pin=True, raw_leaves=True, cid_version=1)
        except _FAULTS as error:
            raise self._unusable() from error
        if answer["Hash"] != str(expected):
            raise KuboError(f"The IPFS daemon at {self._address} names content otherwise; check its import settings.")

    def fetch(self, content: ContentId, limit: int) -> bytes | None:
        """Content of at most `limit` bytes; None where the daemon does not find it or gives something else."""
        builder = TreeBuilder()
        data = bytearray()
        until = time.monotonic() + self._timeout
        try:
            for piece in self._client.cat(str(content), length=limit + 1, stream=True):
                builder.update(piece)
                data += piece
                if builder.size > limit or time.monotonic() > until:
                    return None
        except _FAULTS:
            return None
        digest = builder.digest
        is_same = digest == content.digest if content.raw else builder.finish() == content
        return bytes(data) if is_same else None

    def unpin(self, content: ContentId) -> None:
        """Let the daemon drop content; what it has not pinned is no error. Raises `KuboError` where it is down."""
        try:
            self._client.pin.rm(str(content))
        except ErrorResponse:
            return
        except _FAULTS as error:
            raise self._unusable() from error

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _unusable(self) -> KuboError:
        return KuboError(f"The IPFS daemon at {self._address} does not answer; start it, or unset MERIT_KUBO_ADDRESS.")


class KuboMirror:
    """Adds to Kubo what the store holds and Kubo has not been given; progress is kept in the store."""

    def __init__(self, kubo: Kubo, store: EvidenceStore) -> None:
        self._kubo = kubo
        self._store = store

    def step(self) -> None:
        """Hand over everything that waits."""
        for digest in list(self._store.unmirrored()):
            path = self._store.path(digest)
            if path is not None:
                self._kubo.add(path, content_id_of(path))
            self._store.note_mirrored(digest)
