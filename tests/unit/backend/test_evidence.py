"""Evidence in and out: whole or not at all, by content only."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from backend.evidence.content_id import CHUNK, content_id
from backend.evidence.store import EvidenceStore
from backend.problems import ProblemError

from .conftest import Service


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_upload__of_any_size__comes_back_by_cid_and_by_digest(service: Service, size: int) -> None:
    data = bytes(size - 1) + b"x" if size else b""
    response = service.signed("POST", "/v1/evidence", data)
    assert response.status_code == 201
    digest = sha256(data).hexdigest()
    assert response.json() == {"cid": str(content_id(data)), "digest": "0x" + digest, "size": size}
    for name in (response.json()["cid"], digest):
        found = service.http.get(f"/v1/evidence/{name}")
        assert found.status_code == 200
        assert found.content == data


def test_download__of_a_range__gives_that_part(service: Service) -> None:
    cid = service.signed("POST", "/v1/evidence", b"0123456789").json()["cid"]
    found = service.http.get(f"/v1/evidence/{cid}", headers={"Range": "bytes=2-4"})
    assert (found.status_code, found.content) == (206, b"234")


def test_upload__over_the_limit__is_refused_and_leaves_nothing(service: Service, tmp_path: Path) -> None:
    response = service.signed("POST", "/v1/evidence", bytes((1 << 20) + 1))
    assert response.status_code == 413
    assert response.json()["type"] == "urn:merit:problem:evidence-too-large"
    assert [path for path in (tmp_path / "evidence").rglob("*") if path.is_file()] == []


async def test_stream__over_the_limit__is_not_read_to_its_end(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, limit=10)
    pulled = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal pulled
        while True:
            pulled += 1
            yield b"1234"

    with pytest.raises(ProblemError, match="10 bytes at most"):
        await store.put_stream(endless(), lambda _: None)
    assert pulled == 3


async def test_stream__that_breaks_off__leaves_nothing(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, limit=10)

    async def broken() -> AsyncIterator[bytes]:
        yield b"123"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        await store.put_stream(broken(), lambda _: None)
    assert list(store.digests()) == []
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "name",
    [
        "../../../etc/passwd",
        "..%2f..%2fbackend.db",
        "%2e%2e%2fbackend.db",
        "names",
        "incoming",
        "0x" + "00" * 32,
        "A" * 64,
        "bafkrei" + "a" * 300,
        "b%00afkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
    ],
)
def test_download__by_anything_but_a_content_id__is_refused(service: Service, name: str) -> None:
    response = service.http.get(f"/v1/evidence/{name}")
    assert response.status_code in (404, 422)
    assert response.headers["content-type"] == "application/problem+json"


def test_download__of_what_is_not_there__is_404(service: Service) -> None:
    for name in (str(content_id(b"absent")), str(content_id(bytes(CHUNK * 2))), "00" * 32):
        assert service.http.get(f"/v1/evidence/{name}").status_code == 404


def test_store__of_bytes_that_were_there__changes_nothing(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, limit=100)
    assert store.put(b"same") == store.put(b"same")
    assert list(store.digests()) == [sha256(b"same").digest()]
