"""Whose signature it is: of a key, or of a contract account that says so (ERC-1271)."""

from eth_account.messages import SignableMessage
from eth_typing import ChecksumAddress
from web3 import Web3

from backend.threads import in_thread
from chain.calls import read
from chain.errors import TransactionRevertedError
from chain.typed_data import message_digest, signer_of

_VALID = bytes.fromhex("1626ba7e")
_LONGEST = 4096
_ERC1271 = [
    {
        "type": "function",
        "name": "isValidSignature",
        "stateMutability": "view",
        "inputs": [{"name": "hash", "type": "bytes32"}, {"name": "signature", "type": "bytes"}],
        "outputs": [{"name": "magicValue", "type": "bytes4"}],
    }
]
# The order of secp256k1, halved: of the two signatures that verify, contracts take the one with the smaller s only.
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class SignatureChecker:
    """Checks signatures as the contracts do. `web3` is asked for accounts whose key did not sign."""

    def __init__(self, web3: Web3 | None) -> None:
        self._web3 = web3

    async def signed_by(self, account: ChecksumAddress, message: SignableMessage, signature: bytes) -> bool:
        """Whether `account` signed `message`. Raises `ChainUnavailableError` where only the chain could tell."""
        is_canonical = (
            len(signature) == 65
            and int.from_bytes(signature[32:64], "big") <= _HALF_ORDER
            and signature[64] in (27, 28)
        )
        if is_canonical and signer_of(message, signature) == account:
            return True
        if self._web3 is None or len(signature) > _LONGEST:
            return False
        return await _contract_accepts(self._web3, account, message_digest(message), signature)


@in_thread
def _contract_accepts(web3: Web3, account: ChecksumAddress, digest: bytes, signature: bytes) -> bool:
    if not web3.eth.get_code(account):
        return False
    contract = web3.eth.contract(address=account, abi=_ERC1271)
    try:
        return bytes(read(contract.functions.isValidSignature(digest, signature))) == _VALID
    except TransactionRevertedError:
        return False
