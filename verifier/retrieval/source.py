"""A source at work: one folder, registered under one number, answering over HTTP from its newest version."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event as StopEvent
from threading import RLock
from typing import Any

import structlog
from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from web3.logs import DISCARD

from chain.contribution import MalformedRecordError, canonical_json
from chain.errors import MeritError
from chain.network import Network
from chain.sender import TransactionSender
from verifier.http_server import listening
from verifier.retrieval.book import RegisteredSource, SourceBook
from verifier.retrieval.corpus import Corpus
from verifier.retrieval.errors import UnreadableCorpusError
from verifier.retrieval.exchange import LONGEST_QUERY, Answer, SignedQuery, answer_from
from verifier.retrieval.reading import read_passages

# A query's characters take at most six bytes each in JSON.
_MOST_BYTES = 6 * LONGEST_QUERY + 1_024
_SECONDS = 10.0


class NotRegisteredError(MeritError):
    """A source that the registry does not know as this account's."""


class UnwelcomeError(MeritError):
    """A query by an account that the source does not work for."""


def register(network: Network, sender: TransactionSender, corpus: Corpus, endpoint: str) -> int:
    """Put the stake behind a corpus that it lacks, and register it; the source's number."""
    vault, registry = network.source_vault, network.sources
    stake = vault.functions.stakeOf(sender.address).call()
    lacking = registry.functions.stake().call() - (stake[0] - stake[1])
    if lacking > 0:
        sender.send(network.token.functions.approve(vault.address, lacking))
        sender.send(vault.functions.deposit(lacking))
    receipt = sender.send(registry.functions.register(corpus.commitment.as_tuple(), endpoint))
    (event,) = registry.events.Registered().process_receipt(receipt, errors=DISCARD)
    return int(event["args"]["sourceId"])


@dataclass
class SourceNode:
    """Answers for one source. Safe to share between threads.

    askers: whose queries are answered; None for everybody's. publish: puts the index block into the evidence store;
    None where the owner keeps it, and forgoes pay (docs/retrieval).
    """

    network: Network
    account: BaseAccount
    source_id: int
    folder: Path
    askers: frozenset[ChecksumAddress] | None = None
    publish: Callable[[bytes], object] | None = None
    _corpus: Corpus | None = None
    _version: int = 0
    _seen: bytes = b""
    _lock: RLock = field(default_factory=RLock)

    def refresh(self) -> bool:
        """Read the folder if it changed, commit to what it holds now, and answer from that; whether it changed.

        Until the new version is on the chain, the one before answers. Raises UnreadableCorpusError,
        NotRegisteredError, and what `TransactionSender.send` raises.
        """
        seen = _fingerprint(self.folder)
        if seen == self._seen:
            return False
        corpus = Corpus(read_passages(self.folder))
        if self.publish is not None:
            self.publish(corpus.index_block)
        version = self._commit(corpus)
        with self._lock:
            self._corpus, self._version, self._seen = corpus, version, seen
        return True

    def answer(self, asked: SignedQuery) -> Answer:
        """A signed answer. Raises UnwelcomeError, or NotRegisteredError before the first `refresh`."""
        domain = self.network.source_domain
        asker = asked.asker(domain)
        if asker is None or (self.askers is not None and asker not in self.askers):
            raise UnwelcomeError(f"Source {self.source_id} does not answer {asker or 'unsigned queries'}.")
        with self._lock:
            corpus, version = self._corpus, self._version
        if corpus is None:
            raise NotRegisteredError(f"Source {self.source_id} is not ready yet; ask again.")
        return answer_from(corpus, domain, self.account, self.source_id, version, asked.query)

    def run(self, stop: StopEvent, pause: float) -> None:
        """Look for changes of the folder every `pause` seconds until `stop` is set."""
        log = structlog.get_logger("merit.source").bind(source=self.source_id)
        while not stop.wait(pause):
            try:
                if self.refresh():
                    log.info("corpus_updated", version=self._version)
            except MeritError as error:
                log.warning("corpus_kept", reason=str(error))

    def _commit(self, corpus: Corpus) -> int:
        source = self._registered()
        if source.commitments[source.version] != corpus.commitment:
            sender = TransactionSender(self.network.web3, self.account)
            registry = self.network.sources
            receipt = sender.send(registry.functions.updateCorpus(self.source_id, corpus.commitment.as_tuple()))
            (event,) = registry.events.CorpusUpdated().process_receipt(receipt, errors=DISCARD)
            return int(event["args"]["version"])
        return source.version

    def _registered(self) -> RegisteredSource:
        book = SourceBook(self.network)
        book.advance()
        source = book.sources.get(self.source_id)
        if source is None or source.owner != to_checksum_address(self.account.address) or not source.active:
            raise NotRegisteredError(
                f"{self.account.address} has no active source {self.source_id}; run `merit source register`."
            )
        return source


def serve_source(node: SourceNode, host: str, port: int) -> AbstractContextManager[int]:
    """Answer `POST /answers` while the block runs; yields the port, a free one for 0. Raises `PortTakenError`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _SECONDS
        # Headers and body leave as two writes; without this the second would wait for an acknowledgement.
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            status, body = self._answered()
            try:
                self._send(status, body)
            except ConnectionError:  # who asked did not wait
                self.close_connection = True

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if status == 400:
                self.close_connection = True  # what is left of the body is not read
            self.end_headers()
            self.wfile.write(body)

        def _answered(self) -> tuple[int, bytes]:
            length = self.headers.get("Content-Length", "")
            if self.path != "/answers" or not length.isascii() or not length.isdigit() or int(length) > _MOST_BYTES:
                return 400, _told(f"Post a signed query of at most {_MOST_BYTES} bytes to /answers.")
            try:
                asked = SignedQuery.from_block(self.rfile.read(int(length)))
                return 200, canonical_json(node.answer(asked).to_json())
            except MalformedRecordError as error:
                return 400, _told(str(error))
            except UnwelcomeError as error:
                return 403, _told(str(error))
            except MeritError as error:
                return 503, _told(str(error))

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library's signature
            """Who asks what is not kept."""

    return listening(Handler, host, port, name="source", remedy="choose another --port")


def _told(sentence: str) -> bytes:
    return canonical_json({"status": sentence})


def _fingerprint(folder: Path) -> bytes:
    """Changes whenever a file under the folder does."""
    try:
        files = sorted((str(path), path.stat()) for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        raise UnreadableCorpusError(f"{folder} cannot be read ({error.strerror}); check its permissions.") from error
    told = [(name, status.st_size, status.st_mtime_ns) for name, status in files]
    return hashlib.sha256(repr(told).encode()).digest()
