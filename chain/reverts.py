"""Turning a revert into the custom error's name and arguments, and those into a sentence."""

from functools import cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector
from web3.exceptions import ContractCustomError, ContractLogicError

from chain.artifacts import CONTRACTS, load_artifact
from chain.errors import TransactionRevertedError
from chain.revert_sentences import revert_sentence


@cache
def _errors_by_selector() -> dict[bytes, Any]:
    return {
        function_abi_to_4byte_selector(entry): entry
        for name in CONTRACTS
        for entry in load_artifact(name).abi
        if entry["type"] == "error"
    }


def explain_revert(error: ContractLogicError) -> TransactionRevertedError:
    """The refusal that `error` carries, decoded with the ABIs of all Merit contracts."""
    data = error.data
    if isinstance(error, ContractCustomError) or (isinstance(data, str) and data.startswith("0x")):
        return decode_revert(bytes.fromhex(str(data).removeprefix("0x")))
    reason = (error.message or "").removeprefix("execution reverted").strip(": ") or "no reason given"
    return TransactionRevertedError("Error", {"reason": reason}, f"The contract refused the call: {reason}.")


def decode_revert(data: bytes) -> TransactionRevertedError:
    """The refusal that revert `data` encodes."""
    entry = _errors_by_selector().get(data[:4])
    if entry is None:
        return _unknown(data)
    types = [collapse_if_tuple(component) for component in entry["inputs"]]
    try:
        values = decode(types, data[4:])
    except DecodingError:
        return _unknown(data)
    arguments = dict(zip((component["name"] for component in entry["inputs"]), values, strict=False))
    return TransactionRevertedError(entry["name"], arguments, revert_sentence(entry["name"], arguments))


def _unknown(data: bytes) -> TransactionRevertedError:
    return TransactionRevertedError(
        "Unknown",
        {"data": "0x" + data.hex()},
        f"The contract refused the call with 0x{data[:36].hex()}, which is no error of Merit's; check the addresses.",
    )
