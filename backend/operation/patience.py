"""A limit on how long, and how large, the head of a request may be before anything of it is handled."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_TIMEOUT = 10.0  # seconds from the connection, or from a request's first byte, to the end of its headers
HEAD_LIMIT = 64 * 1024  # bytes of path and headers


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which waits for ever for the end of the headers and takes any number of them."""

    head_timeout = HEAD_TIMEOUT
    _patience: asyncio.TimerHandle | None = None
    _head_size = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Wait for the rest of the headers."""
        super().on_message_begin()
        self._head_size = 0
        self._wait()

    def on_url(self, url: bytes) -> None:
        """Count."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The application takes over."""
        self._stop_waiting()
        super().on_headers_complete()

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > HEAD_LIMIT:
            self.transport.abort()

    def _wait(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(self.head_timeout, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
