"""Evidence in IPFS, over the daemon's own protocol; against a real daemon too where KUBO_API names one."""

import email
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from backend.evidence.content_id import CHUNK, ContentId, content_id
from backend.evidence.kubo import Kubo, KuboError, KuboMirror
from backend.evidence.store import EvidenceStore

# ipfshttpclient 0.7 hands urllib3 an option that it ignores.
pytestmark = pytest.mark.filterwarnings("ignore:The 'strict' parameter:FutureWarning")


@dataclass
class Daemon:
    """`add` and `cat` of Kubo's RPC, and ways of being wrong."""

    address: str = ""
    content: dict[str, bytes] = field(default_factory=dict)
    pinned: set[str] = field(default_factory=set)
    lies: bool = False
    redirect: bool = False
    asked: list[str] = field(default_factory=list)

    def add(self, query: dict[str, list[str]], data: bytes) -> str:
        assert (query["cid-version"], query["raw-leaves"]) == (["1"], ["True"])
        name = str(content_id(data + b"!" if self.lies else data))
        self.content[name] = data
        if query["pin"] == ["True"]:
            self.pinned.add(name)
        return name

    def unpin(self, name: str) -> bool:
        was_pinned = name in self.pinned
        self.pinned.discard(name)
        return was_pinned

    def cat(self, name: str, length: int) -> bytes | None:
        found = self.content.get(name)
        return None if found is None else (b"other bytes" if self.lies else found[:length])


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    daemon = Daemon()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            url = urlsplit(self.path)
            query = parse_qs(url.query)
            if url.path == "/api/v0/add":
                name = daemon.add(query, self._file())
                self._answer(200, f'{{"Name": "x", "Hash": "{name}", "Size": "1"}}\n'.encode())
            elif daemon.redirect:
                self.send_response(307)
                self.send_header("Location", f"http://{self.headers['Host']}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif url.path == "/api/v0/pin/rm":
                if daemon.unpin(query["arg"][0]):
                    self._answer(200, b'{"Pins": []}')
                else:
                    self._answer(500, b'{"Message": "not pinned or pinned indirectly", "Code": 0, "Type": "error"}')
            else:
                daemon.asked.append(url.path)
                data = daemon.cat(query["arg"][0], int(query["length"][0]))
                if data is None:
                    self._answer(500, b'{"Message": "not found", "Code": 0, "Type": "error"}')
                else:
                    self._answer(200, data)

        def _file(self) -> bytes:
            """The only part of a multipart body in chunked transfer."""
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            header = b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n"
            (part,) = email.message_from_bytes(header + body).get_payload()
            payload: bytes = part.get_payload(decode=True)
            return payload

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        daemon.address = f"/ip4/127.0.0.1/tcp/{server.server_address[1]}/http"
        yield daemon
        server.shutdown()
        thread.join()


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path, 1 << 24, mirrored=True)


def addresses() -> list[str]:
    return ["fake", *([os.environ["KUBO_API"]] if "KUBO_API" in os.environ else [])]


@pytest.mark.parametrize("address", addresses())
@pytest.mark.parametrize("size", [0, 5, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_mirror__of_any_size__is_found_again_under_the_same_id(
    daemon: Daemon, store: EvidenceStore, address: str, size: int
) -> None:
    kubo = Kubo(daemon.address if address == "fake" else address)
    data = os.urandom(size)
    stored = store.put(data)
    KuboMirror(kubo, store).step()
    assert kubo.fetch(stored.content_id, 1 << 24) == data
    assert list(store.unmirrored()) == []
    kubo.close()


def test_mirror__while_the_daemon_is_down__keeps_what_waits(daemon: Daemon, store: EvidenceStore) -> None:
    stored = store.put(b"later")
    down = Kubo("/ip4/127.0.0.1/tcp/9/http")
    with pytest.raises(KuboError, match=r"does not answer; start it, or unset MERIT_KUBO_ADDRESS\.$"):
        KuboMirror(down, store).step()
    assert list(store.unmirrored()) == [stored.digest]
    kubo = Kubo(daemon.address)
    KuboMirror(kubo, store).step()
    assert daemon.pinned == {str(stored.content_id)}
    kubo.close()


def test_daemon__that_lies__is_not_believed(daemon: Daemon, store: EvidenceStore) -> None:
    daemon.lies = True
    kubo = Kubo(daemon.address)
    store.put(b"something")
    with pytest.raises(KuboError, match="names content otherwise"):
        KuboMirror(kubo, store).step()
    data = b"what was asked for"
    daemon.content[str(content_id(data))] = data
    assert kubo.fetch(content_id(data), 100) is None
    kubo.close()


def test_fetch__of_more_than_the_limit_or_of_nothing__gives_nothing(daemon: Daemon) -> None:
    kubo = Kubo(daemon.address)
    data = bytes(101)
    daemon.content[str(content_id(data))] = data
    assert kubo.fetch(content_id(data), 100) is None
    assert kubo.fetch(content_id(data), 101) == data
    assert kubo.fetch(ContentId(raw=True, digest=sha256(b"absent").digest()), 100) is None
    kubo.close()


def test_fetch__that_is_redirected__goes_nowhere(daemon: Daemon) -> None:
    kubo = Kubo(daemon.address)
    data = b"within a private network"
    daemon.content[str(content_id(data))] = data
    daemon.redirect = True
    assert kubo.fetch(content_id(data), 100) is None
    assert daemon.asked == []
    daemon.redirect = False
    assert kubo.fetch(content_id(data), 100) == data
    kubo.close()


def test_unpin__lets_the_daemon_drop_it_and_minds_nothing_else(daemon: Daemon, store: EvidenceStore) -> None:
    kubo = Kubo(daemon.address)
    stored = store.put(b"no longer needed")
    KuboMirror(kubo, store).step()
    assert daemon.pinned == {str(stored.content_id)}
    kubo.unpin(stored.content_id)
    kubo.unpin(stored.content_id)
    assert daemon.pinned == set()
    kubo.close()
    down = Kubo("/ip4/127.0.0.1/tcp/9/http")
    with pytest.raises(KuboError, match="does not answer"):
        down.unpin(stored.content_id)
    down.close()
