from string import Formatter

import pytest
from eth_abi.abi import encode
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector

from chain.artifacts import CONTRACTS, load_artifact
from chain.revert_sentences import SENTENCES
from chain.reverts import decode_revert

ERRORS = {entry["name"]: entry for name in CONTRACTS for entry in load_artifact(name).abi if entry["type"] == "error"}
SAMPLES = {"address": "0x" + "ab" * 20, "bytes": b"\x01", "string": "text", "bool": True}


def sample(abi_type: str) -> object:
    if abi_type.startswith("bytes") and abi_type != "bytes":
        size = int(abi_type[5:])
        return b"price".ljust(size, b"\0")[:size]
    return SAMPLES.get(abi_type, 3)


def revert_data(name: str) -> bytes:
    types = [collapse_if_tuple(component) for component in ERRORS[name]["inputs"]]
    return function_abi_to_4byte_selector(ERRORS[name]) + encode(types, [sample(one) for one in types])


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_decode_revert__every_error_of_every_contract__is_one_sentence(name: str) -> None:
    refusal = decode_revert(revert_data(name))
    sentence = str(refusal)
    assert refusal.name == name
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "{" not in sentence
    assert "execution reverted" not in sentence


@pytest.mark.parametrize("name", sorted(SENTENCES))
def test_sentences__each__belongs_to_an_error_and_names_its_arguments(name: str) -> None:
    arguments = {component["name"] for component in ERRORS[name]["inputs"]}
    assert {field for _, field, _, _ in Formatter().parse(SENTENCES[name]) if field} <= arguments


def test_decode_revert__foreign_error__says_so() -> None:
    assert "0xdeadbeef" in str(decode_revert(bytes.fromhex("deadbeef")))


def test_decode_revert__cut_off_arguments__is_unknown() -> None:
    assert decode_revert(revert_data("StakeVaultInsufficientStake")[:20]).name == "Unknown"


def test_decode_revert__amounts_and_times__are_in_units_a_person_reads() -> None:
    entry = ERRORS["StakeVaultInsufficientStake"]
    data = function_abi_to_4byte_selector(entry) + encode(
        ["address", "uint256", "uint256"], ["0x" + "ab" * 20, 15 * 10**17, 10**20]
    )
    assert "has 1.5 of stake for this, but 100 is needed" in str(decode_revert(data))
