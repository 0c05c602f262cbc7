"""Asking strangers' endpoints: what they may not make this service do (threat 24)."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpcore
import pytest
from eth_account import Account
from eth_utils.address import to_checksum_address

from backend.sources.asking import ForbiddenAddressError, PublicNetwork, SourceClient, is_public
from chain.contribution import canonical_json
from chain.typed_data import SourceDomain
from verifier.http_server import listening
from verifier.retrieval.corpus import Corpus
from verifier.retrieval.errors import UnusableAnswerError
from verifier.retrieval.exchange import Answer, Query, SignedQuery, answer_from

DOMAIN = SourceDomain(31337, to_checksum_address("0x" + "51" * 20))
OWNER = Account.from_key(b"\x02" * 32)
QUERY = SignedQuery.signed(DOMAIN, OWNER, Query(4, 1, b"n" * 32, 2, "lift of a wing"))
ANSWER = answer_from(Corpus(["The wing creates lift.", "Engines burn fuel."]), DOMAIN, OWNER, 9, 1, QUERY.query)
GOOD = canonical_json(ANSWER.to_json())


def accept(_: Answer) -> None:
    """Whatever it is."""


Reply = Callable[[BaseHTTPRequestHandler], None]
Served = Callable[[Reply], str]


def sending(body: bytes, status: int = 200, **headers: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def dripping(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000000")
    handler.end_headers()
    for _ in range(200):
        time.sleep(0.02)
        try:
            handler.wfile.write(b" ")
        except OSError:
            return


@pytest.fixture
def served() -> Iterator[Served]:
    """Endpoints that reply as they are told."""

    @contextmanager
    def opened(reply: Reply) -> Iterator[str]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                reply(self)

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library's signature
                """Quiet."""

        with listening(Handler, "127.0.0.1", 0, name="endpoint", remedy="try again") as port:
            yield f"http://127.0.0.1:{port}"

    with ExitStack() as stack:
        yield lambda reply: stack.enter_context(opened(reply))


@pytest.fixture
def client() -> Iterator[Callable[..., SourceClient]]:
    made: list[SourceClient] = []

    def make(deadline: float = 20.0, *, local: bool = True) -> SourceClient:
        made.append(SourceClient(deadline, local=local))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_ask__good_answer__comes_back(served: Served, client: Callable[..., SourceClient]) -> None:
    assert client().ask({9: served(sending(GOOD))}, QUERY, accept) == {9: ANSWER}


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (sending(b"no"), "no answer"),
        (sending(b"[" * 200_000), "no answer"),
        (sending(canonical_json(ANSWER.to_json() | {"more": 1})), "no answer"),
        (sending(canonical_json(ANSWER.to_json() | {"signature": "zz"})), "no answer"),
        (sending(canonical_json(ANSWER.to_json() | {"source": 8})), "another source's name"),
        (sending(b" " * 600_000 + GOOD), "too long"),
        (sending(b"", 503), "status 503"),
        (sending(b"", 307, Location="http://169.254.169.254/latest"), "status 307"),
        (lambda handler: handler.connection.close(), "cannot be reached"),
    ],
)
def test_ask__useless_answer__is_named(
    served: Served, client: Callable[..., SourceClient], reply: Reply, sentence: str
) -> None:
    (outcome,) = client().ask({9: served(reply)}, QUERY, accept).values()
    assert isinstance(outcome, UnusableAnswerError)
    assert sentence in str(outcome)


@pytest.mark.parametrize(
    "endpoint", ["", "ftp://a.example", "file:///etc/passwd", "http://", "\x00", "http://\x00/", "http://u:p@a.example"]
)
def test_ask__no_address_of_the_web__is_not_asked(client: Callable[..., SourceClient], endpoint: str) -> None:
    (outcome,) = client().ask({9: endpoint}, QUERY, accept).values()
    assert isinstance(outcome, UnusableAnswerError)


def test_ask__slow_loris__ends_at_the_deadline_and_others_are_heard(
    served: Served, client: Callable[..., SourceClient]
) -> None:
    outcomes = client(1.0).ask({8: served(dripping), 9: served(sending(GOOD))}, QUERY, accept)
    assert outcomes[9] == ANSWER
    assert str(outcomes[8]) == "It was too slow."


def test_ask__address_of_this_machine__is_refused_unless_local(
    served: Served, client: Callable[..., SourceClient]
) -> None:
    endpoint = served(sending(GOOD))
    for url in (endpoint, endpoint.replace("127.0.0.1", "localhost"), endpoint.replace("127.0.0.1", "2130706433")):
        (outcome,) = client(local=False).ask({9: url}, QUERY, accept).values()
        assert str(outcome) == "It cannot be reached."


def test_public_network__name_that_changes_its_mind__is_connected_where_it_was_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name that is public when it is checked and private when it is connected to: the second look-up never comes."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    connected: list[str] = []

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in answers.pop(0)]

    def connect(_: Any, host: str, *__: Any) -> Any:
        connected.append(host)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    PublicNetwork().connect_tcp("rebinding.example", 80)
    assert connected == ["93.184.216.34"]
    with pytest.raises(ForbiddenAddressError):
        PublicNetwork().connect_tcp("rebinding.example", 80)
    answers.append(["93.184.216.34", "10.0.0.1"])
    with pytest.raises(ForbiddenAddressError):
        PublicNetwork().connect_tcp("two-faced.example", 80)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe"),
    ],
)
def test_is_public__private_reserved_and_disguised__is_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"])
def test_is_public__public__is(address: str) -> None:
    assert is_public(address)
