"""Fetching evidence: whatever a store does, it costs a bounded amount and never passes for another block."""

import gzip
from collections.abc import Callable, Iterator

import httpx
import pytest

from chain.contribution import content_digest
from verifier.node.evidence import (
    EvidenceLimits,
    EvidenceMissingError,
    EvidenceReader,
    EvidenceUnreachableError,
)

BLOCK = b"what was served"
DIGEST = content_digest(BLOCK)
Handler = Callable[[httpx.Request], httpx.Response]


def _reader(*handlers: Handler, size: int = 1_000, seconds: float = 5.0) -> EvidenceReader:
    """A reader of stores http://store0, http://store1, ... that answer as the handlers say."""

    def answer(request: httpx.Request) -> httpx.Response:
        return handlers[int(request.url.host.removeprefix("store"))](request)

    urls = [f"http://store{number}" for number in range(len(handlers))]
    return EvidenceReader(urls, EvidenceLimits(size, seconds), httpx.MockTransport(answer))


def _holding(block: bytes) -> Handler:
    return lambda request: httpx.Response(200, stream=httpx.ByteStream(block))


def _status(code: int) -> Handler:
    return lambda request: httpx.Response(code)


def _silent(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("nobody there", request=request)


def test_fetch__store_has_it__the_block_by_its_digest() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, stream=httpx.ByteStream(BLOCK))

    assert _reader(answer).fetch(DIGEST) == BLOCK
    assert asked == [f"/v1/evidence/{DIGEST.hex()}"]


def test_fetch__first_store_has_it_not__the_second_is_asked() -> None:
    assert _reader(_status(404), _holding(BLOCK)).fetch(DIGEST) == BLOCK


def test_fetch__first_store_is_silent__the_second_is_asked() -> None:
    assert _reader(_silent, _holding(BLOCK)).fetch(DIGEST) == BLOCK


def test_fetch__first_store_lies__the_second_is_asked() -> None:
    assert _reader(_holding(b"another block"), _holding(BLOCK)).fetch(DIGEST) == BLOCK


@pytest.mark.parametrize("handler", [_status(404), _status(410), _holding(b"another block"), _holding(b"x" * 1_001)])
def test_fetch__every_store_answered__missing(handler: Handler) -> None:
    with pytest.raises(EvidenceMissingError):
        _reader(handler).fetch(DIGEST)


@pytest.mark.parametrize("handler", [_silent, _status(500), _status(503), _status(429)])
def test_fetch__a_store_may_have_it__unreachable(handler: Handler) -> None:
    with pytest.raises(EvidenceUnreachableError, match="store1"):
        _reader(_status(404), handler).fetch(DIGEST)


def test_fetch__block_of_the_longest_length__is_read() -> None:
    block = b"x" * 1_000
    assert _reader(_holding(block)).fetch(content_digest(block)) == block


def test_fetch__endless_block__given_up_at_the_limit() -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 100
            yield b"x" * 100

    with pytest.raises(EvidenceMissingError):
        _reader(lambda request: httpx.Response(200, content=endless())).fetch(DIGEST)
    assert sent <= 1_200


def test_fetch__store_that_drips__given_up_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1_000))
    monkeypatch.setattr("verifier.node.evidence.time.monotonic", lambda: next(clock))

    def drip() -> Iterator[bytes]:
        while True:
            yield b"x"

    with pytest.raises(EvidenceUnreachableError):
        _reader(lambda request: httpx.Response(200, content=drip())).fetch(DIGEST)


def test_fetch__small_answer_that_unpacks_to_a_large_one__is_not_unpacked() -> None:
    packed = gzip.compress(BLOCK)

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Accept-Encoding"] == "identity"
        return httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(packed))

    assert _reader(answer).fetch(content_digest(packed)) == packed


def test_fetch__store_that_redirects__is_not_followed() -> None:
    redirect: Handler = lambda request: httpx.Response(302, headers={"Location": "http://store1/"})  # noqa: E731
    with pytest.raises(EvidenceUnreachableError):
        _reader(redirect).fetch(DIGEST)
