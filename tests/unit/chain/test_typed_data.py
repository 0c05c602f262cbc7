"""What is signed, against eth-account's own EIP-712 encoder."""

from collections.abc import Callable
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from chain.contribution import Batch, Leaf
from chain.typed_data import Call, Domain, SourceDomain, passage_hash, sign, signer_of

ADDRESS = Account.from_key(b"\x07" * 32).address
TYPES = {
    "Batch": "uint256 jobId,address contributor,uint64 first,uint32 count,uint64 units,"
    "bytes32 leavesRoot,bytes32 dataHash,uint48 deadline",
    "Request": "uint256 jobId,address contributor,uint64 sequence,bytes32 input",
    "Receipt": "bytes32 leaf,uint256 jobId,address contributor,uint64 sequence,uint64 receivedAt",
    "Call": "string origin,string method,string path,string query,bytes32 body,bytes32 nonce,uint64 expiry",
}
VALUES = {
    "uint256": st.integers(0, 2**256 - 1),
    "uint64": st.integers(0, 2**64 - 1),
    "uint48": st.integers(0, 2**48 - 1),
    "uint32": st.integers(0, 2**32 - 1),
    "address": st.just(ADDRESS),
    "bytes32": st.binary(min_size=32, max_size=32),
    "string": st.text(),
}
SIGNED: dict[str, Callable[[Domain, list[Any]], SignableMessage]] = {
    "Batch": lambda domain, values: domain.batch(Batch(*values)),
    "Request": lambda domain, values: domain.request(*values),
    "Call": lambda domain, values: domain.call(Call(*values)),
}


@pytest.mark.parametrize("name", SIGNED)
@given(data=st.data(), chain_id=st.integers(1, 2**64))
def test_message__of_any_values__is_what_the_standard_encoder_gives(
    name: str, data: st.DataObject, chain_id: int
) -> None:
    members = [member.split(" ") for member in TYPES[name].split(",")]
    values = [data.draw(VALUES[kind]) for kind, _ in members]
    assert SIGNED[name](Domain(chain_id, ADDRESS), values) == standard(chain_id, name, values)


def test_receipt__is_what_the_standard_encoder_gives() -> None:
    leaf = Leaf(4, ADDRESS, 5, 6, b"t" * 32, b"e" * 32)
    expected = standard(31337, "Receipt", [leaf.hash, 4, ADDRESS, 5, 7])
    assert Domain(31337, ADDRESS).receipt(leaf, 7) == expected


@given(
    passages=st.lists(
        st.fixed_dictionaries(
            {
                "position": VALUES["uint32"],
                "digest": VALUES["bytes32"],
                "relevance": VALUES["uint32"],
                "proof": st.lists(VALUES["bytes32"], max_size=3),
            }
        ),
        max_size=3,
    ),
    version=VALUES["uint32"],
    query=VALUES["bytes32"],
)
def test_answer__of_any_passages__is_what_the_standard_encoder_gives(
    passages: list[dict[str, Any]], version: int, query: bytes
) -> None:
    expected = encode_typed_data(
        {"name": "Merit", "version": "1", "chainId": 31337, "verifyingContract": ADDRESS},
        {
            "Answer": [
                {"name": "sourceId", "type": "uint256"},
                {"name": "version", "type": "uint32"},
                {"name": "query", "type": "bytes32"},
                {"name": "passages", "type": "Passage[]"},
            ],
            "Passage": [
                {"name": "position", "type": "uint32"},
                {"name": "digest", "type": "bytes32"},
                {"name": "relevance", "type": "uint32"},
                {"name": "proof", "type": "bytes32[]"},
            ],
        },
        {"sourceId": 9, "version": version, "query": query, "passages": passages},
    )
    hashes = [passage_hash(**passage) for passage in passages]
    assert SourceDomain(31337, ADDRESS).answer(9, version, query, hashes) == expected


@given(secret=st.integers(1, 2**200), digest=VALUES["bytes32"])
def test_signature__of_a_local_key__is_what_eth_account_gives(secret: int, digest: bytes) -> None:
    account = Account.from_key(secret.to_bytes(32, "big"))
    message = Domain(31337, ADDRESS).request(1, ADDRESS, 2, digest)
    signature = sign(account, message)
    assert signature == bytes(account.sign_message(message).signature)
    assert signer_of(message, signature) == account.address


@given(signature=st.binary(min_size=64, max_size=66))
def test_signer__of_any_bytes__is_who_eth_account_says_or_nobody(signature: bytes) -> None:
    message = Domain(31337, ADDRESS).request(1, ADDRESS, 2, bytes(32))
    for candidate in (signature, signature[:64] + b"\x1b", signature[:64] + b"\x01"):
        try:
            expected = Account.recover_message(message, signature=candidate)
        except Exception:
            expected = None
        if len(candidate) == 65 and candidate[64] not in (0, 1, 27, 28):
            expected = None  # eth-account takes other recovery numbers too, contracts do not
        assert signer_of(message, candidate) == expected


SOURCE_MESSAGES = {
    "Query": "uint256 jobId,uint64 window,bytes32 nonce,uint32 count,string text",
    "Feedback": "bytes32 query,uint8 verdict,bytes32[] shown,bytes32[] grounded",
}
SOURCE_VALUES = {**VALUES, "uint8": st.integers(0, 2), "bytes32[]": st.lists(VALUES["bytes32"], max_size=3)}


@pytest.mark.parametrize("name", SOURCE_MESSAGES)
@given(data=st.data())
def test_message_to_sources__of_any_values__is_what_the_standard_encoder_gives(name: str, data: st.DataObject) -> None:
    members = [member.split(" ") for member in SOURCE_MESSAGES[name].split(",")]
    values = [data.draw(SOURCE_VALUES[kind]) for kind, _ in members]
    signed = getattr(SourceDomain(31337, ADDRESS), name.lower())(*values)
    assert signed == encode_typed_data(
        {"name": "Merit", "version": "1", "chainId": 31337, "verifyingContract": ADDRESS},
        {name: [{"name": member, "type": kind} for kind, member in members]},
        {member: value for (_, member), value in zip(members, values, strict=True)},
    )


def standard(chain_id: int, name: str, values: list[Any]) -> SignableMessage:
    members = [member.split(" ") for member in TYPES[name].split(",")]
    return encode_typed_data(
        {"name": "Merit", "version": "1", "chainId": chain_id, "verifyingContract": ADDRESS},
        {name: [{"name": member, "type": kind} for kind, member in members]},
        {member: value for (_, member), value in zip(members, values, strict=True)},
    )
