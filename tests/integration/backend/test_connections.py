"""Over real connections: event streams, and clients that would hold the service up."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest

from backend.operation.patience import HEAD_LIMIT, PatientProtocol

from .conftest import Chain, Service

pytestmark = pytest.mark.chain


def connect(service: Service) -> socket.socket:
    url = urlsplit(service.url)
    connection = socket.create_connection((url.hostname, url.port))
    connection.settimeout(30)
    return connection


def is_closed(connection: socket.socket) -> bool:
    """Whether the service ends the connection, in whatever way, without an answer."""
    try:
        return connection.recv(100) == b""
    except ConnectionError:
        return True


def messages(lines: Iterator[str], count: int) -> Iterator[tuple[str, str]]:
    """The next `count` events of a stream: id and name."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line == "" and "id" in fields:
            assert json.loads(fields["data"])["name"] == fields["event"]
            yield fields["id"], fields["event"]
            fields, count = {}, count - 1
            if count == 0:
                return
        elif name:
            fields[name] = value


def test_events__from_now_on_and_again_from_any_of_them(chain: Chain, service: Service) -> None:
    service.step("indexer")
    with httpx.Client(base_url=service.url, timeout=30) as http:
        with http.stream("GET", "/v1/events") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = response.iter_lines()
            assert next(lines) == ": connected"
            chain.open_job()
            chain.open_job()
            service.step("indexer")
            seen = list(messages(lines, 2))
        assert [name for _, name in seen] == ["JobOpened", "JobOpened"]
        with http.stream("GET", "/v1/events", headers={"Last-Event-ID": seen[0][0]}) as response:
            assert list(messages(response.iter_lines(), 1)) == seen[1:]
        query = {"account": chain.owner.address}
        with http.stream("GET", "/v1/events", params=query, headers={"Last-Event-ID": "0-0"}) as response:
            assert list(messages(response.iter_lines(), 2)) == seen
        assert http.get("/v1/events", headers={"Last-Event-ID": "yesterday"}).status_code == 422


def test_connection__that_never_ends_its_headers__is_closed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PatientProtocol, "head_timeout", 0.2)
    with connect(service) as silent, connect(service) as endless:
        endless.sendall(b"GET /health HTTP/1.1\r\nHost: merit\r\nX-Slow: ")
        assert is_closed(silent)
        assert is_closed(endless)
    assert httpx.get(f"{service.url}/health").status_code == 200


def test_connection__with_more_headers_than_anybody_needs__is_closed(service: Service) -> None:
    with connect(service) as connection:
        header = b"X-Filler: " + b"x" * 1000 + b"\r\n"
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: merit\r\n")
        with suppress(ConnectionError):  # it may be closed while this still sends
            for _ in range(20 * HEAD_LIMIT // 1000):
                connection.sendall(header)
        assert is_closed(connection)
    assert httpx.get(f"{service.url}/health").status_code == 200
