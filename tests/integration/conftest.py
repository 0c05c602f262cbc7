"""An RPC endpoint that misbehaves on the wire, in front of a chain that does not."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
import requests


class Fault(Enum):
    """What happens to a question."""

    NONE = "passed on"
    DROP = "not answered, the connection is closed"
    STALL = "not answered, the connection stays open"
    LOST = "passed on, the answer is lost"
    REPEAT = "asked twice, answered once"
    OLD = "answered as the first time"
    BUSY = "status 429"
    BROKEN = "status 503"
    NONSENSE = "answered with something else than JSON"


class FaultyEndpoint:
    """A proxy that asks `fault` what to do with each method."""

    def __init__(self, upstream: str) -> None:
        self.fault: Callable[[str], Fault] = lambda _: Fault.NONE
        self.asked: list[str] = []
        self._upstream = upstream
        self._old: dict[str, bytes] = {}
        self._closing = Event()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                endpoint._answer(self, self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library's signature
                """Faults are not news."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop listening."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: BaseHTTPRequestHandler, question: bytes) -> None:
        asked = json.loads(question)
        method, key = asked["method"], json.dumps([asked["method"], asked["params"]])
        self.asked.append(method)
        fault = self.fault(method)
        handler.close_connection = fault is not Fault.NONE
        match fault:
            case Fault.DROP:
                return
            case Fault.STALL:
                self._closing.wait(60)
                return
            case Fault.BUSY | Fault.BROKEN:
                handler.send_error(429 if fault is Fault.BUSY else 503)
                return
            case Fault.NONSENSE:
                self._send(handler, b"<html>maintenance</html>")
                return
            case Fault.OLD if key in self._old:
                self._send(handler, self._old[key])
                return
        answer = self._ask(question)
        if fault is Fault.REPEAT:
            self._ask(question)
        self._old.setdefault(key, answer)
        if fault is not Fault.LOST:
            self._send(handler, answer)

    def _ask(self, question: bytes) -> bytes:
        return requests.post(
            self._upstream, data=question, headers={"Content-Type": "application/json"}, timeout=30
        ).content

    @staticmethod
    def _send(handler: BaseHTTPRequestHandler, answer: bytes) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)


@pytest.fixture
def faulty_endpoint() -> Iterator[Callable[[str], FaultyEndpoint]]:
    """Makes proxies in front of the endpoint whose URL is given."""

    @contextmanager
    def opened(upstream: str) -> Iterator[FaultyEndpoint]:
        endpoint = FaultyEndpoint(upstream)
        try:
            yield endpoint
        finally:
            endpoint.close()

    with ExitStack() as stack:
        yield lambda upstream: stack.enter_context(opened(upstream))


@pytest.fixture
def faults() -> type[Fault]:
    """The kinds of faults, for test modules, which cannot import from here."""
    return Fault
