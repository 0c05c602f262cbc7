"""`/health`, `/ready`, `/status` and `/metrics` of a node."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from chain.errors import MeritError
from verifier.node.telemetry import Telemetry


class PortTakenError(MeritError):
    """The address for the node's state cannot be listened on."""


@contextmanager
def serve(telemetry: Telemetry, host: str, port: int) -> Iterator[int]:
    """Answer while the block runs; yields the port, a free one for 0. Raises `PortTakenError`."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            status, kind, body = _answer(telemetry, self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library's signature
            """Probes come every few seconds; they are not news."""

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        raise PortTakenError(f"Cannot listen on {host}:{port} ({error.strerror}); set MERIT_STATUS_PORT.") from error
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, name="status", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _answer(telemetry: Telemetry, path: str) -> tuple[int, str, bytes]:
    match path:
        case "/health":
            alive = telemetry.is_alive()
            return (200 if alive else 503), *_json({"status": "ok" if alive else "the node's loop stands still"})
        case "/ready":
            trouble = telemetry.trouble()
            return (200 if trouble is None else 503), *_json({"status": trouble or "ok"})
        case "/status":
            return 200, *_json(telemetry.status())
        case "/metrics":
            return 200, CONTENT_TYPE_LATEST, telemetry.metrics()
    return 404, *_json({"status": "ask for /health, /ready, /status or /metrics"})


def _json(document: dict[str, Any]) -> tuple[str, bytes]:
    return "application/json", json.dumps(document).encode() + b"\n"
