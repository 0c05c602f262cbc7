"""Where trainers hand in their commitments: `POST /entries` of the organiser, and the client for it."""

import json
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
from eth_utils.address import to_checksum_address

from chain.contribution import MalformedRecordError, canonical_json
from chain.errors import MeritError
from verifier.http_server import listening
from verifier.training.organiser import CommitmentRefusedError, Entry, Organiser

_MOST_BYTES = 4096
_SECONDS = 10.0


class DeskUnavailableError(MeritError):
    """The organiser does not answer as it should."""


def serve_desk(organiser: Organiser, host: str, port: int) -> AbstractContextManager[int]:
    """Take entries in while the block runs; yields the port, a free one for 0. Raises `PortTakenError`."""

    class Handler(BaseHTTPRequestHandler):
        timeout = _SECONDS

        def do_POST(self) -> None:
            status, sentence = self._taken()
            body = canonical_json({"status": sentence})
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _taken(self) -> tuple[int, str]:
            length = self.headers.get("Content-Length", "")
            if self.path != "/entries" or not length.isascii() or not length.isdigit() or int(length) > _MOST_BYTES:
                return 400, f"Post an entry of at most {_MOST_BYTES} bytes to /entries."
            try:
                organiser.enter(parse_entry(self.rfile.read(int(length))))
            except MalformedRecordError as error:
                return 400, str(error)
            except CommitmentRefusedError as error:
                return 409, str(error)
            except MeritError as error:
                return 503, str(error)
            return 201, "entered"

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the library's signature
            """What matters of an entry is on the chain."""

    return listening(Handler, host, port, name="desk", remedy="choose another --port")


def post_entry(url: str, entry: Entry) -> None:
    """Hand an entry in. Raises CommitmentRefusedError with the organiser's reason, DeskUnavailableError."""
    try:
        answer = httpx.post(f"{url.rstrip('/')}/entries", content=entry_block(entry), timeout=_SECONDS)
        sentence = str(answer.json()["status"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        raise DeskUnavailableError(f"The organiser at {url} does not answer; check the address.") from error
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        raise DeskUnavailableError(sentence)
    if answer.status_code != httpx.codes.CREATED:
        raise CommitmentRefusedError(sentence)


def entry_block(entry: Entry) -> bytes:
    """An entry as it is posted."""
    return canonical_json(
        {
            "commitment": entry.commitment.hex(),
            "number": entry.number,
            "signature": entry.signature.hex(),
            "trainer": entry.trainer,
        }
    )


def parse_entry(block: bytes) -> Entry:
    """Parse a stranger's bytes. Raises `MalformedRecordError`."""
    try:
        raw = json.loads(block)
        commitment, signature = bytes.fromhex(raw["commitment"]), bytes.fromhex(raw["signature"])
        entry = Entry(raw["number"], to_checksum_address(raw["trainer"]), commitment, signature)
        if len(commitment) != 32 or entry_block(entry) != block or type(entry.number) is not int:
            raise ValueError("it is not canonical")
    except Exception as error:  # whatever hostile bytes provoke in the parser means the same thing
        raise MalformedRecordError("The block is not an entry for a round.") from error
    if not 0 <= entry.number < 2**64:
        raise MalformedRecordError("A round's number has at most 64 bits.")
    return entry
