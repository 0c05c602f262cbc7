"""What a client can do, described once for both clients; see `exchange` for the form."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from eth_account.signers.base import BaseAccount
from eth_utils.address import to_checksum_address

from chain.client.exchange import Exchange, Operation
from chain.client.records import Receipt, RequestRefusedError, UntrustworthyServiceError, Work
from chain.contribution import MAX_BATCH_LEAVES, Leaf, build_batch, content_digest
from chain.typed_data import Domain, sign, signer_of

_MOST_MOVES = 6
_SIGNATURE_LIFE = 24 * 3600
_AT_ONCE = 256
_MOVED = frozenset({"batch-moved-on", "wrong-sequence"})

Document = dict[str, Any]


@dataclass(frozen=True)
class OpenBatch:
    """A contributor's leaves of one job that no batch holds yet."""

    first: int
    leaves: list[Leaf]


class Operations:
    """One client's operations and what it remembers between them."""

    def __init__(self, url: str, domain: Domain, account: BaseAccount | None, clock: Callable[[], float]) -> None:
        self._exchange = Exchange(url, domain, account, clock)
        self._domain = domain
        self._clock = clock
        self._open: dict[int, OpenBatch] = {}

    # ---------------------------------------------------------------- contributions

    def submit(self, job_id: int, work: Sequence[Work], deadline: int | None = None) -> Operation[list[Receipt]]:
        """Store the evidence, sign and submit the leaves; returns a receipt for each, checked.

        `deadline`: Unix seconds until which the signature is good; a day from now by default. Raises
        `RequestRefusedError` where the service refuses, `ServiceUnavailableError`.
        """
        for piece in work:
            yield from self.put_evidence(piece.evidence)
        receipts: list[Receipt] = []
        moves = 0
        while len(receipts) < len(work):
            opened = yield from self._open_batch(job_id)
            try:
                receipts += yield from self._submit_next(job_id, opened, work[len(receipts) :], deadline)
                moves = 0
            except RequestRefusedError as refusal:
                self._open.pop(job_id, None)
                moves += 1
                if refusal.kind not in _MOVED or moves == _MOST_MOVES:
                    raise
        return receipts

    def renew(self, job_id: int, receipts: Sequence[Receipt], deadline: int | None = None) -> Operation[None]:
        """Sign the open leaves of a job again, after their batch was refused. All of them must be among `receipts`."""
        found = yield from self.contributor(job_id, self._exchange.signer.address)
        owned = {receipt.id: receipt.leaf for receipt in receipts}
        unknown = [entry["id"] for entry in found["leaves"] if entry["id"] not in owned]
        if unknown:
            raise UntrustworthyServiceError(f"No receipt was given for the open leaf {unknown[0]}; find it first.")
        opened = OpenBatch(found["first"], [owned[entry["id"]] for entry in found["leaves"]])
        yield from self._submit_next(job_id, opened, [], deadline)

    def contribution(self, contribution_id: str) -> Operation[Document]:
        """A contribution with its timeline."""
        return self._exchange.document("GET", f"/v1/contributions/{contribution_id}")

    def why(self, contribution_id: str) -> Operation[Document]:
        """Stage by stage, where a contribution stands and why."""
        return self._exchange.document("GET", f"/v1/contributions/{contribution_id}/why")

    def contributor(self, job_id: int, address: str) -> Operation[Document]:
        """A contributor's open batch."""
        return self._exchange.document("GET", f"/v1/jobs/{job_id}/contributors/{address}")

    # ---------------------------------------------------------------- evidence

    def put_evidence(self, block: bytes) -> Operation[bytes]:
        """Store bytes; returns their SHA-256 digest."""
        answer = yield from self._exchange.document("POST", "/v1/evidence", content=block, signed=True)
        digest = content_digest(block)
        if answer["digest"] != "0x" + digest.hex():
            raise UntrustworthyServiceError("The service stored other bytes than were sent; use another one.")
        return digest

    def evidence(self, digest: bytes) -> Operation[bytes | None]:
        """The bytes with this SHA-256 digest, checked; None where the service does not have them."""
        block = yield from self.evidence_by_name(digest.hex())
        if block is not None and content_digest(block) != digest:
            raise UntrustworthyServiceError("The service gave other bytes than were asked for; use another one.")
        return block

    def evidence_by_name(self, name: str) -> Operation[bytes | None]:
        """Evidence by its CID, for whoever checks it by itself; None where the service does not have it."""
        try:
            response = yield from self._exchange.response("GET", f"/v1/evidence/{name}")
        except RequestRefusedError as refusal:
            if refusal.status == 404:
                return None
            raise
        return response.content

    def pin_evidence(self, name: str) -> Operation[Document]:
        """Have evidence kept, by its CID or by its digest in hexadecimal, for as long as this account wants it."""
        return self._exchange.document("PUT", f"/v1/evidence/{name}/pin", signed=True)

    def unpin_evidence(self, name: str) -> Operation[None]:
        """This account needs it no longer."""
        yield from self._exchange.response("DELETE", f"/v1/evidence/{name}/pin", signed=True)

    # ---------------------------------------------------------------- retrieval

    def query(self, text: str, passages: int = 3, *, valued: bool = False) -> Operation[Document]:
        """Ask the network's sources: passages with their proofs, and an answer where the service writes one.

        valued: also work out what each source added to the answer, which takes as long as several answers.
        """
        body = {"text": text, "passages": passages, "valued": valued}
        return self._exchange.document("POST", "/v1/query", json=body, signed=True)

    # ---------------------------------------------------------------- what the chain says, as the service indexed it

    def job(self, job_id: int) -> Operation[Document]:
        """A job."""
        return self._exchange.document("GET", f"/v1/jobs/{job_id}")

    def batch(self, batch_id: str) -> Operation[Document]:
        """A recorded batch with its events."""
        return self._exchange.document("GET", f"/v1/batches/{batch_id}")

    def batch_page(self, cursor: str | None, filters: Document) -> Operation[Document]:
        """Recorded batches, newest first; `next` is the cursor of the page that follows, or None."""
        params = {**filters, **({"cursor": cursor} if cursor else {})}
        return self._exchange.document("GET", "/v1/batches", params=params)

    def account(self, address: str) -> Operation[Document]:
        """What an account holds."""
        return self._exchange.document("GET", f"/v1/accounts/{address}")

    def reputation(self, address: str) -> Operation[Document]:
        """An account's reputation on the chain and by the newest edges."""
        return self._exchange.document("GET", f"/v1/reputation/{address}")

    def reputation_from(self, seed: str, address: str) -> Operation[Document]:
        """An account's reputation as `seed` sees it by the newest edges, and which edges and paths carry it."""
        return self._exchange.document("GET", f"/v1/reputation/{address}/from/{seed}", signed=True)

    def epochs(self) -> Operation[list[Document]]:
        """Closed epochs, newest first."""
        answer = yield from self._exchange.document("GET", "/v1/epochs")
        epochs: list[Document] = answer["epochs"]
        return epochs

    def status(self) -> Operation[Document]:
        """What the service is connected to and how far it has come."""
        return self._exchange.document("GET", "/status")

    # ---------------------------------------------------------------- private

    def _submit_next(
        self, job_id: int, opened: OpenBatch, work: Sequence[Work], deadline: int | None
    ) -> Operation[list[Receipt]]:
        """Submit as many as fit into the open batch."""
        signer = self._exchange.signer
        fitting = work[: min(_AT_ONCE, MAX_BATCH_LEAVES - len(opened.leaves))]
        following = opened.first + len(opened.leaves)
        leaves = [
            Leaf(job_id, signer.address, following + at, piece.units, piece.trace_root, content_digest(piece.evidence))
            for at, piece in enumerate(fitting)
        ]
        batch, _ = build_batch([*opened.leaves, *leaves], deadline or int(self._clock()) + _SIGNATURE_LIFE)
        answer = yield from self._exchange.document(
            "POST",
            "/v1/contributions",
            json={
                "job_id": job_id,
                "contributor": batch.contributor,
                "first": batch.first,
                "deadline": batch.deadline,
                "signature": "0x" + sign(signer, self._domain.batch(batch)).hex(),
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
        self._open[job_id] = OpenBatch(answer["first"], kept)
        return receipts

    def _receipt(self, leaf: Leaf, entry: Document, answer: Document) -> Receipt:
        recorder = to_checksum_address(answer["recorder"])
        receipt = Receipt(leaf, entry["received_at"], recorder, bytes.fromhex(entry["signature"][2:]))
        if entry["id"] != receipt.id or not receipt.is_signed(self._domain):
            raise UntrustworthyServiceError("The service gave a receipt that proves nothing; use another one.")
        return receipt

    def _open_batch(self, job_id: int) -> Operation[OpenBatch]:
        """From memory, or from the service if this account's own signature covers all that it names."""
        if job_id in self._open:
            return self._open[job_id]
        signer = self._exchange.signer
        found = yield from self.contributor(job_id, signer.address)
        leaves = [
            Leaf(
                job_id,
                signer.address,
                entry["sequence"],
                entry["units"],
                bytes.fromhex(entry["trace_root"][2:]),
                bytes.fromhex(entry["evidence"][2:]),
            )
            for entry in found["leaves"]
        ]
        if leaves and not self._have_signed(leaves, found):
            raise UntrustworthyServiceError(
                f"The service holds {len(leaves)} leaves of job {job_id} that {signer.address} has not signed; "
                "sign them again with `renew` and their receipts."
            )
        return OpenBatch(found["first"], leaves)

    def _have_signed(self, leaves: list[Leaf], found: Document) -> bool:
        if found["signature"] is None:
            return False
        batch, _ = build_batch(leaves, found["deadline"])
        signature = bytes.fromhex(found["signature"][2:])
        return signer_of(self._domain.batch(batch), signature) == self._exchange.signer.address
