"""The client: what it believes, what it retries, and what it tells a person."""

import json
from collections.abc import Callable

import httpx
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from chain.client import (
    AsyncMeritClient,
    MeritClient,
    RequestRefusedError,
    ServiceUnavailableError,
    UntrustworthyServiceError,
    Work,
)
from chain.client.operations import Operations
from chain.contribution import Leaf, build_batch, content_digest
from chain.errors import MeritError
from chain.signed_call import CallSignature, parse_call_signature
from chain.typed_data import Domain, sign, signer_of

ACCOUNT: LocalAccount = Account.from_key(b"\x03" * 32)
RECORDER: LocalAccount = Account.from_key(b"\x01" * 32)
DOMAIN = Domain(31337, Account.from_key(b"\x07" * 32).address)
NOW = 1_800_000_000
Handler = Callable[[httpx.Request], httpx.Response]
WORK = [Work(3, b"t" * 32, b"evidence")]


def client_of(
    handler: Handler, account: LocalAccount | None = ACCOUNT, pauses: list[float] | None = None
) -> MeritClient:
    return MeritClient(
        "http://service",
        DOMAIN,
        account,
        transport=httpx.MockTransport(handler),
        sleep=(pauses if pauses is not None else []).append,
        clock=lambda: NOW,
    )


def leaf(sequence: int) -> Leaf:
    return Leaf(1, ACCOUNT.address, sequence, 3, b"t" * 32, content_digest(b"evidence"))


def as_json(one: Leaf) -> dict[str, object]:
    return {
        "id": "0x" + one.hash.hex(),
        "sequence": one.sequence,
        "units": one.units,
        "trace_root": "0x" + one.trace_root.hex(),
        "evidence": "0x" + one.evidence.hex(),
    }


class Service:
    """A service that holds some open leaves, and keeps what it was sent."""

    def __init__(self, held: list[Leaf] | None = None, signer: LocalAccount | None = ACCOUNT) -> None:
        self.held = held or []
        self.signer = signer
        self.submissions: list[dict[str, object]] = []
        self.recorder = RECORDER
        self.receipt_domain = DOMAIN

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/evidence":
            return httpx.Response(201, json={"digest": "0x" + content_digest(request.content).hex()})
        if request.method == "GET":
            return httpx.Response(200, json=self.open_batch())
        body = json.loads(request.content)
        self.submissions.append(body)
        leaves = [leaf(entry["sequence"]) for entry in body["leaves"]]
        receipts = [
            {
                "id": "0x" + one.hash.hex(),
                "sequence": one.sequence,
                "received_at": NOW,
                "signature": "0x" + sign(self.recorder, self.receipt_domain.receipt(one, NOW)).hex(),
            }
            for one in leaves
        ]
        answer = {"receipts": receipts, "first": 0, "next": 0, "recorder": RECORDER.address}
        return httpx.Response(201, json=answer)

    def open_batch(self) -> dict[str, object]:
        signature = None
        if self.held and self.signer is not None:
            batch, _ = build_batch(self.held, NOW + 5)
            signature = "0x" + sign(self.signer, DOMAIN.batch(batch)).hex()
        return {"first": 0, "leaves": [as_json(one) for one in self.held], "deadline": NOW + 5, "signature": signature}


def signed_leaves(service: Service, count: int) -> bool:
    """Whether the last submission carries the contributor's signature over exactly the first `count` leaves."""
    body = service.submissions[-1]
    batch, _ = build_batch([leaf(number) for number in range(count)], NOW + 86_400)
    return signer_of(DOMAIN.batch(batch), bytes.fromhex(str(body["signature"])[2:])) == ACCOUNT.address


def test_submit__signs_over_all_open_leaves_and_returns_checked_receipts() -> None:
    service = Service()
    client = client_of(service)
    (first,), (second,) = client.submit(1, WORK), client.submit(1, WORK)
    assert (first.leaf, second.leaf) == (leaf(0), leaf(1))
    assert first.is_signed(DOMAIN)
    assert signed_leaves(service, 2)


def test_submit__over_leaves_that_the_contributor_signed_before__includes_them() -> None:
    service = Service(held=[leaf(0), leaf(1)])
    (receipt,) = client_of(service).submit(1, WORK)
    assert receipt.leaf == leaf(2)
    assert signed_leaves(service, 3)


@pytest.mark.parametrize("signer", [RECORDER, None])
def test_submit__over_leaves_that_the_contributor_never_signed__signs_nothing(signer: LocalAccount | None) -> None:
    service = Service(held=[leaf(0)], signer=signer)
    with pytest.raises(UntrustworthyServiceError, match="has not signed"):
        client_of(service).submit(1, WORK)
    assert service.submissions == []


def test_receipt__by_another_key_or_for_another_contract__is_refused() -> None:
    forged = Service()
    forged.recorder = ACCOUNT
    elsewhere = Service()
    elsewhere.receipt_domain = Domain(1, DOMAIN.court)
    for service in (forged, elsewhere):
        with pytest.raises(UntrustworthyServiceError, match="proves nothing"):
            client_of(service).submit(1, WORK)


def test_submit__more_than_fits__is_sent_in_parts() -> None:
    service = Service()
    receipts = client_of(service).submit(1, WORK * 300)
    assert [receipt.leaf.sequence for receipt in receipts] == list(range(300))
    assert [len(body["leaves"]) for body in service.submissions] == [256, 44]  # type: ignore[arg-type]


def test_evidence__with_other_bytes__is_refused() -> None:
    client = client_of(lambda _: httpx.Response(200, content=b"other"))
    with pytest.raises(UntrustworthyServiceError, match="other bytes than were asked for"):
        client.evidence(content_digest(b"wanted"))
    liar = client_of(lambda _: httpx.Response(201, json={"digest": "0x" + "00" * 32}))
    with pytest.raises(UntrustworthyServiceError, match="other bytes than were sent"):
        liar.put_evidence(b"sent")


def problem(status: int, kind: str = "not-found") -> httpx.Response:
    return httpx.Response(status, json={"type": f"urn:merit:problem:{kind}", "detail": "A sentence.", "status": status})


def test_evidence__that_is_not_there__is_none() -> None:
    assert client_of(lambda _: problem(404)).evidence(bytes(32)) is None


def test_refusal__carries_the_services_sentence() -> None:
    with pytest.raises(RequestRefusedError, match=r"^A sentence\.$") as refusal:
        client_of(lambda _: problem(403, "insufficient-stake")).job(1)
    assert (refusal.value.status, refusal.value.kind) == (403, "insufficient-stake")


def test_request__while_the_service_is_busy__is_repeated_after_longer_and_longer_pauses() -> None:
    answers = iter(
        [httpx.Response(503), httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(200, json={})]
    )
    pauses: list[float] = []
    assert client_of(lambda _: next(answers), pauses=pauses).status() == {}
    assert pauses == [0.2, 7.0]


def test_request__that_is_never_answered__ends_in_one_sentence() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    pauses: list[float] = []
    with pytest.raises(ServiceUnavailableError, match=r"does not answer \(ConnectError\); is the service running\?$"):
        client_of(refuse, pauses=pauses).status()
    assert pauses == [0.2, 0.4, 0.8, 1.6, 3.2]


@pytest.mark.parametrize("response", [httpx.Response(200, text="<html>"), httpx.Response(404, text="<html>")])
def test_answer__of_another_program__is_recognised(response: httpx.Response) -> None:
    with pytest.raises(ServiceUnavailableError, match="check its address"):
        client_of(lambda _: response).status()


def test_submit__without_a_key__says_so() -> None:
    with pytest.raises(MeritError, match="give it an account"):
        client_of(Service(), account=None).submit(1, WORK)


def test_batches__of_several_pages__come_one_after_the_other() -> None:
    pages = {None: {"batches": [{"id": 1}, {"id": 2}], "next": "a"}, "a": {"batches": [{"id": 3}], "next": None}}
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.params.get("job_id"))
        return httpx.Response(200, json=pages[request.url.params.get("cursor")])

    assert [batch["id"] for batch in client_of(answer).batches(job_id=4)] == [1, 2, 3]
    assert seen == ["4", "4"]


@pytest.mark.parametrize("status", [301, 307, 308])
def test_redirect__is_never_followed(status: int) -> None:
    """It could lead anywhere that this machine reaches, such as to an address of its private network."""
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        return httpx.Response(status, headers={"Location": "http://169.254.169.254/latest/meta-data"})

    with pytest.raises(ServiceUnavailableError, match=f"status {status}"):
        client_of(handler).evidence(bytes(32))
    assert asked == ["service"]


def test_evidence__sent_again__is_signed_anew() -> None:
    sent: list[CallSignature | None] = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(parse_call_signature(request.headers["Authorization"]))
        answer = {"digest": "0x" + content_digest(request.content).hex()}
        return httpx.Response(201, json=answer) if len(sent) == 2 else httpx.Response(503)

    client_of(handler).put_evidence(b"evidence")
    first, second = sent
    assert first is not None
    assert second is not None
    assert first.nonce != second.nonce
    assert first.body == second.body == content_digest(b"evidence")


async def test_async_client__does_what_the_blocking_one_does() -> None:
    service, pauses = Service(), list[float]()
    failures = iter([True, False])

    def handler(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/batches":
            first = "cursor" not in request.url.params
            return httpx.Response(200, json={"batches": [{"id": first}], "next": "5-1" if first else None})
        if request.url.path == "/v1/contributions" and next(failures, False):
            raise httpx.ReadTimeout("gone")
        return service(request)

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async with AsyncMeritClient(
        "http://service",
        DOMAIN,
        ACCOUNT,
        transport=httpx.MockTransport(handler),
        sleep=sleep,
        clock=lambda: NOW,
    ) as client:
        (receipt,) = await client.submit(1, WORK)
        assert receipt.leaf == leaf(0)
        assert receipt.is_signed(DOMAIN)
        assert signed_leaves(service, 1)
        assert pauses == [0.2]
        assert [batch["id"] async for batch in client.batches(job_id=1)] == [True, False]


def test_clients__have_the_same_operations() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    assert public(MeritClient) == public(AsyncMeritClient)
    assert public(Operations) - {"batch_page"} <= public(MeritClient)
