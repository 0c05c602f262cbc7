"""`/health`, `/ready`, `/status` and `/metrics` of a node."""

import json
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from verifier.http_server import listening
from verifier.node.telemetry import Telemetry


def serve(telemetry: Telemetry, host: str, port: int) -> AbstractContextManager[int]:
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

    return listening(Handler, host, port, name="status", remedy="set MERIT_STATUS_PORT")


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
