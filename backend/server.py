"""Running the service: `merit serve` calls `serve`."""

import gc
import socket
from contextlib import closing
from types import FrameType

import uvicorn
from fastapi import FastAPI

from backend.app import create_app
from backend.operation.patience import PatientProtocol
from backend.settings import Settings
from backend.workers import Workers
from chain.logs import configure_logs
from chain.settings import InvalidSettingError


def serve(settings: Settings) -> None:
    """Run until SIGINT or SIGTERM, then finish what is under way.

    Raises a `MeritError` before anything is served where the service cannot run.
    """
    configure_logs(settings.log_level)
    with closing(_bind(settings.host, settings.port)) as listener:
        app = create_app(settings)
        gc.freeze()  # the collector need not look again and again through what stays for good
        _Server(configure(app, settings.trusted_proxies), app.state.services.workers).run(sockets=[listener])


def configure(app: FastAPI, trusted_proxies: str) -> uvicorn.Config:
    """How the application is served: connections that send nothing, or too slowly, are closed."""
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        forwarded_allow_ips=trusted_proxies,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=30,
        timeout_keep_alive=15,
    )


class _Server(uvicorn.Server):
    """Tells the event streams of a stop, for which uvicorn would wait otherwise."""

    def __init__(self, config: uvicorn.Config, workers: Workers) -> None:
        super().__init__(config)
        self._workers = workers

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """On SIGINT and SIGTERM."""
        self._workers.ask_to_stop()
        super().handle_exit(sig, frame)


def _bind(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024
        )
    except OSError as error:
        raise InvalidSettingError(
            f"Cannot listen on {host} port {port} ({error.strerror}); choose another MERIT_HOST or MERIT_PORT."
        ) from error
