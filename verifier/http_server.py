"""A small HTTP server beside what a program does otherwise."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from chain.errors import MeritError


class PortTakenError(MeritError):
    """An address that cannot be listened on."""


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler], host: str, port: int, *, name: str, remedy: str) -> Iterator[int]:
    """Answer while the block runs; yields the port, a free one for 0.

    Raises `PortTakenError`, whose sentence ends in `remedy`.
    """
    try:
        server = ThreadingHTTPServer((host, port), handler)
    except OSError as error:
        raise PortTakenError(f"Cannot listen on {host}:{port} ({error.strerror}); {remedy}.") from error
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, name=name, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
