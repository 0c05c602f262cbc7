"""A client of the HTTP API: submit work, follow it, fetch evidence.

    client = MeritClient("http://127.0.0.1:8000", deployment.domain, account)
    receipts = client.submit(job_id, [Work(units=32, trace_root=root, evidence=block)])

A contributor signs only what it has computed itself: the open batch is rebuilt here from the leaves, and leaves that
the service claims to hold are believed only under the contributor's own earlier signature.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx
from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.contribution import MAX_BATCH_LEAVES, Leaf, build_batch, content_digest
from chain.errors import MeritError
from chain.typed_data import Domain, sign, signer_of

_ATTEMPTS = 6
_FIRST_PAUSE = 0.2
_SIGNATURE_LIFE = 24 * 3600
_AT_ONCE = 256
_MOVED = frozenset({"batch-moved-on", "wrong-sequence"})
_RETRIED = frozenset({429, 502, 503, 504})


class ServiceUnavailableError(MeritError):
    """The service cannot be reached, or was not able to answer in several attempts."""


class UntrustworthyServiceError(MeritError):
    """The service answered with something that it cannot have in good faith."""


class RequestRefusedError(MeritError):
    """A refusal of the service: `kind` is stable, `members` is the whole problem document."""

    def __init__(self, status: int, kind: str, sentence: str, members: dict[str, Any]) -> None:
        super().__init__(sentence)
        self.status = status
        self.kind = kind
        self.members = members


@dataclass(frozen=True)
class Work:
    """One piece of work to submit: its evidence block and the Merkle root over the chunks of its trace."""

    units: int
    trace_root: bytes
    evidence: bytes


@dataclass(frozen=True)
class Receipt:
    """A leaf and the recorder's signed promise to bring it to the chain."""

    leaf: Leaf
    received_at: int
    recorder: ChecksumAddress
    signature: bytes

    @property
    def id(self) -> str:
        """The contribution's id, for `MeritClient.contribution`."""
        return "0x" + self.leaf.hash.hex()

    def is_signed(self, domain: Domain) -> bool:
        """Whether it is the recorder's."""
        return signer_of(domain.receipt(self.leaf, self.received_at), self.signature) == self.recorder


@dataclass(frozen=True)
class _OpenBatch:
    first: int
    leaves: list[Leaf]


class MeritClient:
    """Synchronous client. `account` is needed to submit only; `transport` is httpx's, for tests."""

    def __init__(
        self,
        url: str,
        domain: Domain,
        account: BaseAccount | None = None,
        *,
        timeout: float = 30.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._http = httpx.Client(base_url=url, timeout=timeout, transport=transport)
        self._domain = domain
        self._account = account
        self._sleep = sleep
        self._clock = clock
        self._open: dict[int, _OpenBatch] = {}

    def __enter__(self) -> "MeritClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    # ---------------------------------------------------------------- contributions

    def submit(self, job_id: int, work: Sequence[Work], deadline: int | None = None) -> list[Receipt]:
        """Store the evidence, sign and submit the leaves; returns a receipt for each, checked.

        `deadline`: Unix seconds until which the signature is good; a day from now by default. Raises
        `RequestRefusedError` where the service refuses, `ServiceUnavailableError`.
        """
        for piece in work:
            self.put_evidence(piece.evidence)
        receipts: list[Receipt] = []
        attempts = 0
        while len(receipts) < len(work):
            opened = self._open_batch(job_id)
            try:
                receipts += self._submit_next(job_id, opened, work[len(receipts) :], deadline)
                attempts = 0
            except RequestRefusedError as refusal:
                self._open.pop(job_id, None)
                attempts += 1
                if refusal.kind not in _MOVED or attempts == _ATTEMPTS:
                    raise
        return receipts

    def renew(self, job_id: int, receipts: Sequence[Receipt], deadline: int | None = None) -> None:
        """Sign the open leaves of a job again, after their batch was refused. All of them must be among `receipts`."""
        found = self.contributor(job_id, self._signer.address)
        owned = {receipt.id: receipt.leaf for receipt in receipts}
        unknown = [entry["id"] for entry in found["leaves"] if entry["id"] not in owned]
        if unknown:
            raise UntrustworthyServiceError(f"No receipt was given for the open leaf {unknown[0]}; find it first.")
        self._submit_next(
            job_id, _OpenBatch(found["first"], [owned[entry["id"]] for entry in found["leaves"]]), [], deadline
        )

    def contribution(self, contribution_id: str) -> dict[str, Any]:
        """A contribution with its timeline."""
        return self._document("GET", f"/v1/contributions/{contribution_id}")

    def why(self, contribution_id: str) -> dict[str, Any]:
        """Stage by stage, where a contribution stands and why."""
        return self._document("GET", f"/v1/contributions/{contribution_id}/why")

    def contributor(self, job_id: int, address: str) -> dict[str, Any]:
        """A contributor's open batch."""
        return self._document("GET", f"/v1/jobs/{job_id}/contributors/{address}")

    # ---------------------------------------------------------------- evidence

    def put_evidence(self, block: bytes) -> bytes:
        """Store bytes; returns their SHA-256 digest."""
        answer = self._document("POST", "/v1/evidence", content=block)
        digest = content_digest(block)
        if answer["digest"] != "0x" + digest.hex():
            raise UntrustworthyServiceError("The service stored other bytes than were sent; use another one.")
        return digest

    def evidence(self, digest: bytes) -> bytes | None:
        """The bytes with this SHA-256 digest, checked; None where the service does not have them."""
        try:
            block = self._request("GET", f"/v1/evidence/{digest.hex()}").content
        except RequestRefusedError as refusal:
            if refusal.status == 404:
                return None
            raise
        if content_digest(block) != digest:
            raise UntrustworthyServiceError("The service gave other bytes than were asked for; use another one.")
        return block

    # ---------------------------------------------------------------- what the chain says, as the service indexed it

    def job(self, job_id: int) -> dict[str, Any]:
        """A job."""
        return self._document("GET", f"/v1/jobs/{job_id}")

    def batch(self, batch_id: str) -> dict[str, Any]:
        """A recorded batch with its events."""
        return self._document("GET", f"/v1/batches/{batch_id}")

    def batches(self, **filters: Any) -> Iterator[dict[str, Any]]:
        """Recorded batches, newest first; filters: `job_id`, `contributor`, `phase`."""
        cursor: str | None = None
        while True:
            page = self._document("GET", "/v1/batches", params={**filters, **({"cursor": cursor} if cursor else {})})
            yield from page["batches"]
            cursor = page["next"]
            if cursor is None:
                return

    def account(self, address: str) -> dict[str, Any]:
        """What an account holds."""
        return self._document("GET", f"/v1/accounts/{address}")

    def reputation(self, address: str) -> dict[str, Any]:
        """An account's reputation on the chain and by the newest edges."""
        return self._document("GET", f"/v1/reputation/{address}")

    def epochs(self) -> list[dict[str, Any]]:
        """Closed epochs, newest first."""
        epochs: list[dict[str, Any]] = self._document("GET", "/v1/epochs")["epochs"]
        return epochs

    def status(self) -> dict[str, Any]:
        """What the service is connected to and how far it has come."""
        return self._document("GET", "/status")

    # ---------------------------------------------------------------- private

    @property
    def _signer(self) -> BaseAccount:
        if self._account is None:
            raise MeritError("This client has no key to sign with; give it an account.")
        return self._account

    def _submit_next(
        self, job_id: int, opened: _OpenBatch, work: Sequence[Work], deadline: int | None
    ) -> list[Receipt]:
        """Submit as many as fit into the open batch."""
        fitting = work[: min(_AT_ONCE, MAX_BATCH_LEAVES - len(opened.leaves))]
        following = opened.first + len(opened.leaves)
        leaves = [
            Leaf(
                job_id,
                self._signer.address,
                following + at,
                piece.units,
                piece.trace_root,
                content_digest(piece.evidence),
            )
            for at, piece in enumerate(fitting)
        ]
        batch, _ = build_batch([*opened.leaves, *leaves], deadline or int(self._clock()) + _SIGNATURE_LIFE)
        answer = self._document(
            "POST",
            "/v1/contributions",
            json={
                "job_id": job_id,
                "contributor": batch.contributor,
                "first": batch.first,
                "deadline": batch.deadline,
                "signature": "0x" + sign(self._signer, self._domain.batch(batch)).hex(),
                "leaves": [
                    {
                        "sequence": leaf.sequence,
                        "units": leaf.units,
                        "trace_root": "0x" + leaf.trace_root.hex(),
                        "evidence": "0x" + leaf.evidence.hex(),
                    }
                    for leaf in leaves
                ],
            },
        )
        receipts = [self._receipt(leaf, entry, answer) for leaf, entry in zip(leaves, answer["receipts"], strict=True)]
        kept = [*opened.leaves, *leaves] if answer["first"] == opened.first else []
        self._open[job_id] = _OpenBatch(answer["first"], kept)
        return receipts

    def _receipt(self, leaf: Leaf, entry: dict[str, Any], answer: dict[str, Any]) -> Receipt:
        recorder = to_checksum_address(answer["recorder"])
        receipt = Receipt(leaf, entry["received_at"], recorder, bytes.fromhex(entry["signature"][2:]))
        if entry["id"] != receipt.id or not receipt.is_signed(self._domain):
            raise UntrustworthyServiceError("The service gave a receipt that proves nothing; use another one.")
        return receipt

    def _open_batch(self, job_id: int) -> _OpenBatch:
        """From memory, or from the service if this account's own signature covers all that it names."""
        if job_id in self._open:
            return self._open[job_id]
        found = self.contributor(job_id, self._signer.address)
        leaves = [
            Leaf(
                job_id,
                self._signer.address,
                entry["sequence"],
                entry["units"],
                bytes.fromhex(entry["trace_root"][2:]),
                bytes.fromhex(entry["evidence"][2:]),
            )
            for entry in found["leaves"]
        ]
        if leaves and not self._have_signed(leaves, found):
            raise UntrustworthyServiceError(
                f"The service holds {len(leaves)} leaves of job {job_id} that {self._signer.address} has not signed; "
                "sign them again with `renew` and their receipts."
            )
        return _OpenBatch(found["first"], leaves)

    def _have_signed(self, leaves: list[Leaf], found: dict[str, Any]) -> bool:
        if found["signature"] is None:
            return False
        batch, _ = build_batch(leaves, found["deadline"])
        signature = bytes.fromhex(found["signature"][2:])
        return signer_of(self._domain.batch(batch), signature) == self._signer.address

    def _document(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            document: dict[str, Any] = self._request(method, path, **options).json()
        except ValueError:
            raise ServiceUnavailableError(
                f"{self._http.base_url} does not answer as Merit's API does; check its address."
            ) from None
        return document

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """An answer below 400. Everything that the API takes may be sent twice, so whatever got lost is sent again."""
        pause = _FIRST_PAUSE
        for attempt in range(_ATTEMPTS):
            try:
                response = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                reason = f"{self._http.base_url} does not answer ({type(error).__name__}); is the service running?"
            else:
                if response.status_code not in _RETRIED:
                    return _accepted(response)
                reason = f"{self._http.base_url} cannot answer now (status {response.status_code}); try again later."
                pause = max(pause, _retry_after(response))
            if attempt + 1 < _ATTEMPTS:
                self._sleep(pause)
                pause *= 2
        raise ServiceUnavailableError(reason)


def _accepted(response: httpx.Response) -> httpx.Response:
    if response.status_code < 400:
        return response
    try:
        problem: dict[str, Any] = response.json()
        kind = str(problem["type"]).rsplit(":", 1)[-1]
        sentence = str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        raise ServiceUnavailableError(
            f"{response.url.host} answered with status {response.status_code} and no reason; check its address."
        ) from None
    raise RequestRefusedError(response.status_code, kind, sentence, problem)


def _retry_after(response: httpx.Response) -> float:
    try:
        return float(response.headers.get("Retry-After", "0"))
    except ValueError:
        return 0.0
