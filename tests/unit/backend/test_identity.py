"""Who calls: what proves an account, and what does not: replayed, expired, for another place, altered."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

from backend.fields import hex_of
from backend.identity.sign_in import SignInMessage
from backend.signatures import SignatureChecker
from chain.typed_data import Domain

from .conftest import CONTRIBUTOR, COURT, ORIGIN, OTHER, START, ModelChain, Service, authorize, service_over

WHO = "/v1/session"


def ask(service: Service, authorization: str, path: str = WHO) -> tuple[int, dict[str, Any]]:
    response = service.http.get(path, headers={"Authorization": authorization})
    return response.status_code, response.json()


def refusal(service: Service, authorization: str) -> str:
    """The kind of a 401 problem."""
    status, document = ask(service, authorization)
    assert status == 401, document
    assert document["detail"].endswith(".")
    return str(document["type"]).removeprefix("urn:merit:problem:")


# ---------------------------------------------------------------- programs: EIP-712


def test_signed_request__is_its_signers(service: Service) -> None:
    response = service.signed("GET", WHO)
    assert (response.status_code, response.json()) == (200, {"account": CONTRIBUTOR.address})


def test_request__without_a_signature__is_told_what_to_do(service: Service) -> None:
    response = service.http.get(WHO)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Merit, Bearer"
    assert response.json()["type"] == "urn:merit:problem:identity-needed"


def test_signed_request__sent_again__is_refused(service: Service) -> None:
    authorization = authorize("GET", WHO, expiry=START + 60)
    assert ask(service, authorization)[0] == 200
    assert refusal(service, authorization) == "replayed"


def test_nonce__of_one_account__does_not_use_up_anothers(service: Service) -> None:
    nonce = os.urandom(32)
    for account in (CONTRIBUTOR, OTHER):
        assert ask(service, authorize("GET", WHO, account=account, nonce=nonce, expiry=START + 60))[0] == 200


def test_nonce__is_remembered_for_as_long_as_its_signature_is_good(service: Service) -> None:
    authorization = authorize("GET", WHO, expiry=START + 300)
    assert ask(service, authorization)[0] == 200
    service.model.time += 299
    service.signed("GET", WHO)  # forgets what has expired
    assert refusal(service, authorization) == "replayed"
    service.model.time += 1
    assert refusal(service, authorization) == "expired"


@pytest.mark.parametrize("expiry", [START - 1, START, START + 1_000])
def test_signed_request__good_for_no_time_or_too_long__is_refused(service: Service, expiry: int) -> None:
    assert refusal(service, authorize("GET", WHO, expiry=expiry)) == "expired"


@pytest.mark.parametrize(
    "authorization",
    [
        authorize("GET", WHO, expiry=START + 60, domain=Domain(1, COURT)),
        authorize("GET", WHO, expiry=START + 60, domain=Domain(31337, OTHER.address)),
        authorize("GET", WHO, expiry=START + 60, origin="http://another"),
        authorize("GET", WHO, expiry=START + 60, origin="https://test"),
        authorize("DELETE", WHO, expiry=START + 60),
        authorize("GET", "/v1/session/", expiry=START + 60),
        authorize("GET", WHO + "?all=1", expiry=START + 60),
        authorize("GET", WHO, expiry=START + 60).replace(CONTRIBUTOR.address, OTHER.address),
        authorize("GET", WHO, expiry=START + 60).replace(f"expiry={START + 60}", f"expiry={START + 61}"),
    ],
    ids=["chain", "contract", "host", "scheme", "method", "path", "query", "account", "expiry"],
)
def test_signature__over_anything_else__is_refused(service: Service, authorization: str) -> None:
    assert refusal(service, authorization) == "wrong-signature"


@pytest.mark.parametrize("authorization", ["Merit", "Basic bWVyaXQ6", "Merit account=0x12, body=0x"])
def test_authorization__that_cannot_be_read__is_refused(service: Service, authorization: str) -> None:
    assert refusal(service, authorization) == "malformed-authorization"


def test_body__other_than_the_one_that_was_signed__is_not_kept(service: Service, tmp_path: Path) -> None:
    authorization = authorize("POST", "/v1/evidence", b"signed", expiry=START + 60)
    response = service.http.post("/v1/evidence", content=b"sent", headers={"Authorization": authorization})
    assert (response.status_code, response.json()["type"]) == (401, "urn:merit:problem:wrong-body")
    assert [path for path in (tmp_path / "evidence").rglob("*") if path.is_file()] == []


def test_evidence__from_nobody__is_not_kept(service: Service, tmp_path: Path) -> None:
    assert service.http.post("/v1/evidence", content=b"anything").status_code == 401
    assert [path for path in (tmp_path / "evidence").rglob("*") if path.is_file()] == []


class ContractAccount:
    """As much of web3 as a signature check asks: one account with code, which accepts one signature."""

    def __init__(self, accepted: bytes) -> None:
        self._accepted = accepted
        self.eth = self
        self.functions = self

    def get_code(self, _address: str) -> bytes:
        return b"\x60"

    def contract(self, **_: object) -> "ContractAccount":
        return self

    def isValidSignature(self, _digest: bytes, signature: bytes) -> object:  # noqa: N802  the contract's name
        answer = bytes.fromhex("1626ba7e") if signature == self._accepted else bytes(4)
        return SimpleNamespace(call=lambda: answer)


def test_contract_account__is_believed_by_what_its_contract_says(service: Service) -> None:
    authorization = authorize("GET", WHO, expiry=START + 60)
    as_contract = authorization.replace(CONTRIBUTOR.address, COURT)
    signature = bytes.fromhex(authorization.rpartition("0x")[2])
    identity = service.services.identity
    for accepted, is_caller in ((b"another", False), (signature, True)):
        identity._signatures = SignatureChecker(ContractAccount(accepted))  # type: ignore[arg-type]
        status, document = ask(service, as_contract)
        assert (status == 200) == is_caller
        assert document.get("account") == (COURT if is_caller else None)


# ---------------------------------------------------------------- people: Sign-In with Ethereum


def sign_in_text(**changes: Any) -> str:
    values = {
        "start": "test",
        "address": CONTRIBUTOR.address,
        "uri": ORIGIN,
        "version": "1",
        "chain": "31337",
        "nonce": "abcdef0123456789",
        "issued": at(0),
        "rest": "",
    } | changes
    return (
        "{start} wants you to sign in with your Ethereum account:\n{address}\n\nSee your own view.\n\nURI: {uri}\n"
        "Version: {version}\nChain ID: {chain}\nNonce: {nonce}\nIssued At: {issued}{rest}"
    ).format(**values)


def at(seconds: float) -> str:
    return (datetime.fromtimestamp(START, UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def sign_in(service: Service, text: str, account: LocalAccount = CONTRIBUTOR) -> tuple[int, dict[str, Any]]:
    signature = hex_of(bytes(account.sign_message(encode_defunct(text=text)).signature))
    response = service.http.post(WHO, json={"message": text, "signature": signature})
    return response.status_code, response.json()


def test_sign_in__gives_a_token_that_is_the_account(service: Service) -> None:
    status, session = sign_in(service, sign_in_text())
    assert (status, session["account"], session["expires_at"]) == (201, CONTRIBUTOR.address, START + 86_400)
    assert ask(service, f"Bearer {session['token']}") == (200, {"account": CONTRIBUTOR.address})


def test_token__after_its_time_or_after_signing_out__is_refused(service: Service) -> None:
    _, session = sign_in(service, sign_in_text(rest=f"\nExpiration Time: {at(100)}"))
    assert session["expires_at"] == START + 100
    service.model.time += 99
    bearer = f"Bearer {session['token']}"
    assert ask(service, bearer)[0] == 200
    service.model.time += 1
    assert refusal(service, bearer) == "expired"
    _, session = sign_in(service, sign_in_text(nonce="another0", issued=at(100)))
    bearer = f"Bearer {session['token']}"
    assert service.http.delete(WHO, headers={"Authorization": bearer}).status_code == 204
    assert refusal(service, bearer) == "expired"
    assert refusal(service, "Bearer invented") == "expired"


def test_token__is_not_in_the_database(service: Service, tmp_path: Path) -> None:
    _, session = sign_in(service, sign_in_text())
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("backend.db*"))
    assert CONTRIBUTOR.address.encode() in stored
    assert session["token"].encode() not in stored


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"start": "elsewhere"}, "wrong-origin"),
        ({"start": "https://test"}, "wrong-origin"),
        ({"uri": "http://elsewhere"}, "wrong-origin"),
        ({"uri": "http://test.elsewhere"}, "wrong-origin"),
        ({"chain": "1"}, "wrong-origin"),
        ({"issued": at(-301)}, "expired"),
        ({"issued": at(61)}, "expired"),
        ({"rest": f"\nExpiration Time: {at(0)}"}, "expired"),
        ({"rest": f"\nNot Before: {at(1)}"}, "not-yet-valid"),
        ({"address": OTHER.address}, "wrong-signature"),
    ],
)
def test_sign_in__for_another_place_time_or_account__is_refused(
    service: Service, changes: dict[str, str], kind: str
) -> None:
    status, document = sign_in(service, sign_in_text(**changes))
    assert (status, document["type"]) == (401, f"urn:merit:problem:{kind}")


def test_sign_in__with_a_message_that_was_used__is_refused(service: Service) -> None:
    assert sign_in(service, sign_in_text())[0] == 201
    status, document = sign_in(service, sign_in_text())
    assert (status, document["type"]) == (401, "urn:merit:problem:replayed")


@pytest.mark.parametrize(
    "text",
    [
        "",
        sign_in_text(version="2"),
        sign_in_text(nonce="short"),
        sign_in_text(address=CONTRIBUTOR.address.lower()),
        sign_in_text(issued="yesterday"),
        sign_in_text(issued="2027-13-40T00:00:00Z"),
        sign_in_text(rest="\nAnything: else"),
        sign_in_text() + "\n",
    ],
)
def test_sign_in__in_another_form__is_refused(service: Service, text: str) -> None:
    status, document = sign_in(service, text)
    assert (status, document["type"]) == (422, "urn:merit:problem:malformed-sign-in")


@pytest.mark.parametrize("statement", ["\nI accept.\n\n", "\n\n"])
def test_message__of_the_standard__is_read(statement: str) -> None:
    """The examples of EIP-4361, section "Message Format", with and without a statement."""
    text = (
        "https://example.com:8443 wants you to sign in with your Ethereum account:\n"
        f"0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2\n{statement}URI: https://example.com:8443/login\nVersion: 1\n"
        "Chain ID: 1\nNonce: 32891756\nIssued At: 2021-09-30T16:25:24.000Z\nRequest ID: 7\nResources:\n"
        "- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/\n- https://example.com/my.json"
    )
    message = SignInMessage.parse(text)
    assert message.is_for("https://example.com:8443", 1)
    assert message.issued_at == 1_633_019_124


# ---------------------------------------------------------------- how often


def test_address__that_asks_too_often__is_told_when_to_come_back(model: ModelChain, tmp_path: Path) -> None:
    service = service_over(model, tmp_path, address_rate=0.5)
    answers = [service.http.get("/v1/jobs").status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]
    refused = service.http.get("/v1/jobs")
    assert (refused.headers["retry-after"], refused.json()["type"]) == ("2", "urn:merit:problem:too-many-requests")
    assert service.http.get("/health").status_code == 200
    model.time += 2
    assert service.http.get("/v1/jobs").status_code == 200
    assert 'status="429"' in service.http.get("/metrics").text
    service.services.database.close()


def test_account__that_asks_too_often__is_refused_whatever_its_address(model: ModelChain, tmp_path: Path) -> None:
    service = service_over(model, tmp_path, account_rate=0.2)
    assert [service.signed("GET", WHO).status_code for _ in range(3)] == [200, 200, 429]
    assert service.signed("GET", WHO, account=OTHER).status_code == 200
    service.services.database.close()


def test_account__named_by_others__keeps_its_rate(model: ModelChain, tmp_path: Path) -> None:
    service = service_over(model, tmp_path, account_rate=0.1)
    forged = authorize("GET", WHO, account=OTHER, expiry=START + 60).replace(OTHER.address, CONTRIBUTOR.address)
    for _ in range(5):
        assert refusal(service, forged) == "wrong-signature"
    assert service.signed("GET", WHO).status_code == 200
    service.services.database.close()
