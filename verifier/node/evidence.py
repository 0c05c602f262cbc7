"""Fetching evidence from stores that are not trusted: bounded in size and time, checked by its hash."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from chain.contribution import content_digest
from chain.endpoints import show_endpoints
from chain.errors import MeritError


class EvidenceMissingError(MeritError):
    """Every store answered and none has the block: it counts as gone."""


class EvidenceUnreachableError(MeritError):
    """A store that could have the block did not give an answer; it may later."""


@dataclass(frozen=True)
class EvidenceLimits:
    """What a stranger's evidence may cost: bytes of one block, seconds for one block from one store."""

    size: int = 16 * 2**20
    seconds: float = 30.0


class EvidenceReader:
    """Reads blocks from the evidence endpoints of one or more APIs, in order of preference."""

    def __init__(
        self, urls: Sequence[str], limits: EvidenceLimits, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._urls = [url.rstrip("/") for url in urls]
        self._limits = limits
        # Unpacked here, a small answer could fill the memory: stores are asked for the bytes as they are.
        headers = {"Accept-Encoding": "identity"}
        self._client = httpx.Client(timeout=limits.seconds, headers=headers, transport=transport)

    def close(self) -> None:
        """Close idle connections."""
        self._client.close()

    def fetch(self, digest: bytes) -> bytes:
        """The block whose SHA-256 is `digest`.

        Raises `EvidenceMissingError` if no store has it (a block that is too long, or not what its name says, is not
        it) and `EvidenceUnreachableError` if a store that was not heard could still have it.
        """
        silent: list[str] = []
        for url in self._urls:
            try:
                block = self._fetch_from(url, digest)
            except httpx.HTTPError:
                silent.append(show_endpoints(url))
                continue
            if block is not None and content_digest(block) == digest:
                return block
        if silent:
            raise EvidenceUnreachableError(
                f"{' and '.join(silent)} did not answer for block {digest.hex()}; will retry."
            )
        raise EvidenceMissingError(f"No evidence store has block {digest.hex()}.")

    def find(self, digest: bytes) -> bytes | None:
        """As `fetch`; None where every store answered and none has the block."""
        try:
            return self.fetch(digest)
        except EvidenceMissingError:
            return None

    def _fetch_from(self, url: str, digest: bytes) -> bytes | None:
        """The block, None where the store says that it has none or sends too much; `httpx.HTTPError` otherwise."""
        deadline = time.monotonic() + self._limits.seconds
        block = bytearray()
        with self._client.stream("GET", f"{url}/v1/evidence/{digest.hex()}") as response:
            if response.status_code in (httpx.codes.NOT_FOUND, httpx.codes.GONE):
                return None
            response.raise_for_status()
            for part in response.iter_raw():
                block += part
                if len(block) > self._limits.size:
                    return None
                # The client's own limit is for each read: a store that sends a byte now and then would never end.
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the block took too long")
        return bytes(block)
