"""Sending transactions for one key: checked before they are sent, in nonce order, awaited, refusals explained."""

from collections.abc import Sequence
from threading import Lock
from typing import Any

import requests
from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3 import Web3
from web3.contract.contract import ContractConstructor, ContractFunction
from web3.exceptions import ContractLogicError, TimeExhausted, Web3Exception
from web3.types import TxParams, TxReceipt, Wei

from chain.errors import ChainUnavailableError, TransactionFailedError
from chain.reverts import explain_revert


class TransactionSender:
    """The only user of its key's nonces; safe to share between threads."""

    def __init__(self, web3: Web3, account: BaseAccount, receipt_timeout: float = 120.0) -> None:
        self._web3 = web3
        self._account = account
        self._receipt_timeout = receipt_timeout
        self._lock = Lock()

    @property
    def address(self) -> ChecksumAddress:
        """The sending account."""
        return self._account.address

    def send(self, call: ContractFunction | ContractConstructor) -> TxReceipt:
        """Check `call` against the current state, send it and wait until it is mined.

        Raises `TransactionRevertedError` where the contracts refuse it (nothing is sent then, or it lost a race),
        `TransactionFailedError` where it cannot be sent or is not mined in time, `ChainUnavailableError`.
        """
        return self.send_all([call])[0]

    def send_all(self, calls: Sequence[ContractFunction | ContractConstructor]) -> list[TxReceipt]:
        """Send calls that do not depend on each other and wait for all: they can share a block.

        Raises what `send` does for the first that fails; those before it are sent, and mined or not.
        """
        try:
            with self._lock:
                sent = [self._broadcast(call) for call in calls]
            receipts = [
                self._web3.eth.wait_for_transaction_receipt(
                    transaction_hash, timeout=self._receipt_timeout, poll_latency=0.05
                )
                for transaction_hash in sent
            ]
        except ContractLogicError as error:
            raise explain_revert(error) from error
        except TimeExhausted as error:
            raise TransactionFailedError(
                f"A transaction was not mined within {self._receipt_timeout:.0f} s; wait, or raise the fee."
            ) from error
        except requests.RequestException as error:
            raise ChainUnavailableError("The chain stopped answering; check the RPC endpoint.") from error
        except (Web3Exception, ValueError) as error:
            raise TransactionFailedError(_refusal(error)) from error
        for call, receipt in zip(calls, receipts, strict=True):
            if receipt["status"] != 1:
                self._raise_reason(call, receipt)
        return receipts

    def _broadcast(self, call: ContractFunction | ContractConstructor) -> HexBytes:
        gas = call.estimate_gas(
            {"from": self.address}
        )  # runs the call first: a refusal surfaces here and nothing is sent
        block = self._web3.eth.get_block("latest")
        tip = self._web3.eth.max_priority_fee
        parameters: TxParams = {
            "from": self.address,
            "chainId": self._web3.eth.chain_id,
            "nonce": self._web3.eth.get_transaction_count(self.address, "pending"),
            # The state may move between estimate and block; unused gas is returned.
            "gas": gas * 5 // 4,
            "maxPriorityFeePerGas": tip,
            "maxFeePerGas": Wei(2 * block["baseFeePerGas"] + tip),
        }
        transaction: Any = call.build_transaction(parameters)
        signed: Any = self._account.sign_transaction(transaction)
        return self._web3.eth.send_raw_transaction(signed.raw_transaction)

    def _raise_reason(self, call: ContractFunction | ContractConstructor, receipt: TxReceipt) -> None:
        """The transaction was mined and reverted: somebody else's came first. Ask the block before it why."""
        if isinstance(call, ContractFunction):
            try:
                call.call({"from": self.address}, block_identifier=receipt["blockNumber"])
            except ContractLogicError as error:
                raise explain_revert(error) from error
        raise TransactionFailedError(
            f"Transaction {Web3.to_hex(receipt['transactionHash'])} was mined and failed; try again."
        )


def _refusal(error: Exception) -> str:
    text = str(error).lower()
    if "insufficient funds" in text:
        return "The account cannot pay for the transaction; send it some of the chain's own currency."
    if "nonce too low" in text:
        return "Another program uses the same key; stop it, or give this one a key of its own."
    return f"The endpoint refused the transaction: {error}"
