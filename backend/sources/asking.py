"""Asking strangers' endpoints: all at once, until a deadline, and never into the network that this machine is in."""

import ipaddress
import json
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeAlias

import httpcore
import httpx

from verifier.retrieval.errors import UnusableAnswerError
from verifier.retrieval.exchange import Answer, SignedQuery

_MOST_BYTES = 512 * 2**10
_THREADS = 64
_HEADERS = [(b"Content-Type", b"application/json"), (b"Accept-Encoding", b"identity")]
_SocketOption: TypeAlias = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]


class ForbiddenAddressError(httpcore.ConnectError):
    """A name that leads to an address which is not on the public internet."""


class PublicNetwork(httpcore.NetworkBackend):
    """Connects to public addresses only, and to the very address that was looked at: a second look-up may differ."""

    def __init__(self) -> None:
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[_SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        """Raises ForbiddenAddressError, and ConnectError where the name leads nowhere."""
        try:
            found = [entry[4][0] for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} is not known") from error
        if not all(is_public(str(address)) for address in found):
            raise ForbiddenAddressError(f"{host} is not on the public internet")
        return self._network.connect_tcp(str(found[0]), port, timeout, local_address, socket_options)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also where it is an older one in newer clothes."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    inner = None
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour or (parsed.teredo[1] if parsed.teredo else None)
    return parsed.is_global and not parsed.is_multicast and (inner is None or is_public(str(inner)))


class SourceClient:
    """Asks sources. local: also those in this machine's own network, for a chain on a laptop."""

    def __init__(self, deadline: float, *, local: bool = False) -> None:
        """deadline: seconds that a query may take."""
        self._deadline = deadline
        # A redirect would be another address: this client follows none, and reads no proxy from the environment.
        self._pool = httpcore.ConnectionPool(
            max_connections=_THREADS,
            max_keepalive_connections=_THREADS,
            keepalive_expiry=60.0,
            network_backend=httpcore.SyncBackend() if local else PublicNetwork(),
        )
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="ask")

    def close(self) -> None:
        """Wait for nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._pool.close()

    def ask(
        self, endpoints: Mapping[int, str], query: SignedQuery, check: Callable[[Answer], object]
    ) -> dict[int, Answer | UnusableAnswerError]:
        """What each source answers, by its number, and what is wrong where that is of no use.

        check: raises UnusableAnswerError; called for each answer as it arrives, while others are awaited.
        """
        block, until = query.to_block(), time.monotonic() + self._deadline

        def ask_one(source: int, endpoint: str) -> Answer:
            answer = self._ask_one(source, endpoint, block, until)
            check(answer)
            return answer

        asked = {source: self._threads.submit(ask_one, source, endpoint) for source, endpoint in endpoints.items()}
        wait(asked.values(), timeout=self._deadline)
        return {source: _outcome(future) for source, future in asked.items()}

    def _ask_one(self, source: int, endpoint: str, block: bytes, until: float) -> Answer:
        try:
            answer = Answer.from_json(json.loads(self._post(endpoint, block, until)))
        except (
            httpcore.ConnectError,
            httpcore.NetworkError,
            httpcore.ProtocolError,
            httpcore.TimeoutException,
        ) as error:
            raise UnusableAnswerError("It cannot be reached.") from error
        except UnusableAnswerError:
            raise
        except Exception as error:  # whatever hostile bytes provoke in the parser means the same thing
            raise UnusableAnswerError("It answered with something that is no answer.") from error
        if answer.source_id != source:
            raise UnusableAnswerError("It answered in another source's name.")
        return answer

    def _post(self, endpoint: str, block: bytes, until: float) -> bytes:
        url = _address(endpoint)
        left = max(0.001, until - time.monotonic())
        timeouts = {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), left)}
        body = bytearray()
        with self._pool.stream("POST", url, headers=_HEADERS, content=block, extensions=timeouts) as response:
            if response.status != 200:
                raise UnusableAnswerError(f"It answered with status {response.status}.")
            for part in response.iter_stream():
                body += part
                if len(body) > _MOST_BYTES:
                    raise UnusableAnswerError("Its answer is too long.")
                # The limit above is for each read: who sends a byte now and then would never end.
                if time.monotonic() > until:
                    raise UnusableAnswerError("It was too slow.")
        return bytes(body)


def _address(endpoint: str) -> str:
    """Where a source is asked. Raises UnusableAnswerError."""
    try:
        url = httpx.URL(f"{endpoint.rstrip('/')}/answers")
    except httpx.InvalidURL:
        raise UnusableAnswerError("Its endpoint is no address of the web.") from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo:
        raise UnusableAnswerError("Its endpoint is no address of the web.")
    return str(url)


def _outcome(future: "Future[Answer]") -> Answer | UnusableAnswerError:
    if not future.done():
        future.cancel()
        return UnusableAnswerError("It was too slow.")
    error = future.exception()
    return error if isinstance(error, UnusableAnswerError) else future.result()
