"""Running the service: `merit serve` calls `serve`."""

import socket
from contextlib import closing

import uvicorn

from backend.app import create_app
from backend.operation.logs import configure_logs
from backend.settings import InvalidSettingError, Settings


def serve(settings: Settings) -> None:
    """Run until SIGINT or SIGTERM, then finish what is under way.

    Raises a `MeritError` before anything is served where the service cannot run.
    """
    configure_logs(settings.log_level)
    with closing(_bind(settings.host, settings.port)) as listener:
        config = uvicorn.Config(
            create_app(settings),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=30,
            timeout_keep_alive=15,
            h11_max_incomplete_event_size=64 * 1024,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _bind(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024
        )
    except OSError as error:
        raise InvalidSettingError(
            f"Cannot listen on {host} port {port} ({error.strerror}); choose another MERIT_HOST or MERIT_PORT."
        ) from error
