"""Sending transactions for one key: checked before they are sent, in nonce order, awaited, refusals explained."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from threading import Lock
from typing import Any

import requests
from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from web3 import Web3
from web3.contract.contract import ContractConstructor, ContractFunction
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3Exception, Web3RPCError
from web3.types import Nonce, TxParams, TxReceipt, Wei

from chain.errors import ChainUnavailableError, TransactionFailedError
from chain.fees import FeeAboveLimitError, Fees, asked_fees
from chain.outbox import Outbox, Pending
from chain.reverts import explain_revert

Call = ContractFunction | ContractConstructor

# How often a transaction is signed anew when its nonce or its fee has just been overtaken.
_ATTEMPTS = 4
# Seconds between two looks for a receipt: short at first, for a local chain, then growing to the second.
_FIRST_PAUSE, _PAUSE_GROWTH, _LONGEST_PAUSE = 0.05, 1.2, 1.0
# Seconds without a receipt after which a reorganisation is suspected, and how many mined transactions it may undo.
_SUSPICION = 5.0
_REORGANISED = 64


class TransactionSender:
    """The only user of its key's nonces; safe to share between threads.

    Every signed transaction is in `outbox` before it is sent and until it is mined. What an earlier process left there
    is sent again as it is, and a call that does the same is not signed twice but joins it.
    """

    def __init__(
        self,
        web3: Web3,
        account: BaseAccount,
        receipt_timeout: float = 120.0,
        *,
        outbox: Outbox | None = None,
        fee_limit: int | None = None,
        patience: float = 30.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """fee_limit: the most that is paid, in wei per gas. patience: seconds until more is offered."""
        self._web3 = web3
        self._account = account
        self._receipt_timeout = receipt_timeout
        self._outbox = outbox or Outbox()
        self._fee_limit = fee_limit
        self._patience = patience
        self._monotonic = monotonic
        self._pending: dict[int, Pending] | None = None
        self._mined: dict[int, Pending] = {}
        self._lock = Lock()

    @property
    def address(self) -> ChecksumAddress:
        """The sending account."""
        return self._account.address

    def send(self, call: Call) -> TxReceipt:
        """Check `call` against the current state, send it and wait until it is mined.

        Raises `TransactionRevertedError` where the contracts refuse it (nothing is sent then, or it lost a race),
        `TransactionFailedError` where it cannot be sent or is not mined in time, `ChainUnavailableError`.
        """
        return self.send_all([call])[0]

    def send_all(self, calls: Sequence[Call]) -> list[TxReceipt]:
        """Send calls that do not depend on each other and wait for all: they can share a block.

        Raises what `send` does for the first that fails; those before it are sent, and mined or not.
        """
        sent: list[Pending] = []
        try:
            with _explained():
                with self._lock:
                    self._tend()
                    for call in calls:
                        sent.append(self._broadcast(call))
                receipts = [self._await(call, sent, at) for at, call in enumerate(calls)]
                for call, receipt in zip(calls, receipts, strict=True):
                    if receipt["status"] != 1:
                        self._raise_reason(call, receipt)
        finally:
            for pending in sent:
                pending.awaited = False
        return receipts

    # ---------------------------------------------------------------- sending

    @cached_property
    def _chain_id(self) -> int:
        return self._web3.eth.chain_id

    def _tend(self) -> None:
        """Send again what nobody waits for: the endpoint may have lost it, and later nonces wait behind it.

        What turns out to be mined is kept for a while, for a caller who tries again to join.
        """
        if self._pending is None:
            self._pending = self._recovered()
        for pending in [entry for entry in self._pending.values() if not entry.awaited]:
            if pending.mined_at is not None:
                if self._monotonic() - pending.mined_at > self._receipt_timeout:
                    self._drop(pending)
                continue
            try:
                if not self._submit(pending):
                    pending.mined_at = self._monotonic()
            except Web3RPCError as error:
                if _is_nonce_taken(error):
                    self._drop(pending)

    def _recovered(self) -> dict[int, Pending]:
        """What an earlier process left in the outbox and can still be mined: nonces without a gap."""
        left = self._outbox.load(self._monotonic())
        next_nonce = self._web3.eth.get_transaction_count(self.address) if left else 0
        for nonce in sorted(left):
            if nonce == next_nonce:
                next_nonce += 1
            else:
                self._outbox.drop(nonce)
                del left[nonce]
        return left

    def _broadcast(self, call: Call) -> Pending:
        """Sign and send a call, unless an unfinished transaction does the same."""
        parameters: TxParams = {
            "from": self.address,
            "chainId": self._chain_id,
            "nonce": Nonce(0),
            "gas": 0,
            "maxFeePerGas": Wei(0),
            "maxPriorityFeePerGas": Wei(0),
        }
        # A new contract has no receiver.
        draft: dict[str, Any] = {
            name: value for name, value in call.build_transaction(parameters).items() if value != b""
        }
        for pending in self._entries.values():
            if not pending.awaited and pending.does_the_same(draft):
                pending.awaited = True
                return pending
        trial: Any = {name: draft[name] for name in ("from", "to", "data", "value") if name in draft}
        # Runs the call: a refusal surfaces here and nothing is sent.
        gas = self._web3.eth.estimate_gas(trial)
        # The state may move between estimate and block; unused gas is returned.
        draft["gas"] = gas * 5 // 4
        least_nonce = 0
        for attempt in range(_ATTEMPTS):
            draft["nonce"] = self._free_nonce(least_nonce)
            pending = self._signed(draft, asked_fees(self._web3, self._fee_limit))
            try:
                self._keep(pending)
                self._submit(pending)
            except Web3RPCError as error:
                self._drop(pending)
                if attempt == _ATTEMPTS - 1 or not (_is_nonce_taken(error) or _is_underpriced(error)):
                    raise
                if _is_nonce_taken(error):
                    least_nonce = pending.nonce + 1
            else:
                break
        pending.awaited = True
        return pending

    def _free_nonce(self, least: int) -> int:
        """The first nonce, from `least` on, that neither the endpoint nor the outbox knows."""
        nonce = max(least, self._web3.eth.get_transaction_count(self.address, "pending"))
        while nonce in self._entries:
            nonce += 1
        return nonce

    def _signed(self, transaction: dict[str, Any], fees: Fees) -> Pending:
        complete = {**transaction, "maxFeePerGas": fees.most, "maxPriorityFeePerGas": fees.tip}
        signed: Any = self._account.sign_transaction(complete)
        return Pending(complete, bytes(signed.raw_transaction), [HexBytes(signed.hash)], self._monotonic())

    def _submit(self, pending: Pending) -> bool:
        """Hand a signed transaction to the endpoint; False if it is mined already. Raises `Web3RPCError`."""
        pending.sent_at = self._monotonic()
        try:
            self._web3.eth.send_raw_transaction(pending.raw)
        except Web3RPCError as error:
            if _is_nonce_taken(error) and self._receipt(pending) is not None:
                return False
            if not _is_known(error):
                raise
        return True

    # ---------------------------------------------------------------- awaiting

    def _await(self, call: Call, sent: list[Pending], at: int) -> TxReceipt:
        """The receipt of `sent[at]`, which is replaced there if its nonce went to somebody else's transaction."""
        deadline = self._monotonic() + self._receipt_timeout
        suspicious = self._monotonic() + _SUSPICION
        pause = _FIRST_PAUSE
        while (receipt := self._receipt(sent[at])) is None:
            if self._monotonic() > deadline:
                raise TransactionFailedError(
                    f"A transaction was not mined within {self._receipt_timeout:.0f} s; wait, or raise the fee."
                )
            if self._monotonic() - sent[at].sent_at >= self._patience:
                with self._lock:
                    sent[at] = self._hurry(call, sent[at])
            if self._monotonic() >= suspicious:
                suspicious = self._monotonic() + _SUSPICION
                with self._lock:
                    self._restore(sent[at])
            time.sleep(pause)
            pause = min(pause * _PAUSE_GROWTH, _LONGEST_PAUSE)
        with self._lock:
            self._drop(sent[at])
            self._mined[sent[at].nonce] = sent[at]
            self._mined.pop(sent[at].nonce - _REORGANISED, None)
        return receipt

    def _restore(self, pending: Pending) -> None:
        """Send again what a reorganisation took off the chain, as it was signed: `pending` waits behind it."""
        for nonce in range(self._web3.eth.get_transaction_count(self.address), pending.nonce + 1):
            lost = self._entries.get(nonce) or self._mined.get(nonce)
            if lost is not None:
                with contextlib.suppress(Web3RPCError):  # the next look for a receipt tells what became of it
                    self._web3.eth.send_raw_transaction(lost.raw)

    def _receipt(self, pending: Pending) -> TxReceipt | None:
        for transaction_hash in reversed(pending.hashes):
            with contextlib.suppress(TransactionNotFound):
                return self._web3.eth.get_transaction_receipt(transaction_hash)
        return None

    def _hurry(self, call: Call, pending: Pending) -> Pending:
        """Offer more for a transaction that waits for too long, and for those before it.

        Where another program has used the nonce, the call is checked and sent again: returns what to wait for.
        """
        count = self._web3.eth.get_transaction_count(self.address)
        if count > pending.nonce:
            if self._receipt(pending) is not None:
                return pending
            self._drop(pending)
            return self._broadcast(call)
        for nonce in sorted(self._entries):
            stuck = self._entries[nonce]
            if count <= nonce <= pending.nonce and self._monotonic() - stuck.sent_at >= self._patience:
                self._replace(stuck)
        return pending

    def _replace(self, pending: Pending) -> None:
        """Sign the same call anew with higher fees; within the fee limit, or it is sent again as it is."""
        transaction = pending.transaction
        before = Fees(transaction["maxFeePerGas"], transaction["maxPriorityFeePerGas"])
        try:
            raised = before.raised(asked_fees(self._web3, self._fee_limit), self._fee_limit)
        except FeeAboveLimitError:
            raised = None
        if raised is not None:
            signed = self._signed(transaction, raised)
            pending.transaction, pending.raw = signed.transaction, signed.raw
            pending.hashes.extend(signed.hashes)
            self._keep(pending)
        with contextlib.suppress(Web3RPCError):  # the next look for a receipt tells what became of it
            self._submit(pending)

    # ---------------------------------------------------------------- the outbox

    @property
    def _entries(self) -> dict[int, Pending]:
        if self._pending is None:
            raise ValueError("the outbox has not been read")
        return self._pending

    def _keep(self, pending: Pending) -> None:
        self._outbox.keep(pending)
        self._entries[pending.nonce] = pending

    def _drop(self, pending: Pending) -> None:
        if self._entries.get(pending.nonce) is pending:
            self._outbox.drop(pending.nonce)
            del self._entries[pending.nonce]

    def _raise_reason(self, call: Call, receipt: TxReceipt) -> None:
        """The transaction was mined and reverted: somebody else's came first. Ask the block before it why."""
        if isinstance(call, ContractFunction):
            parameters: TxParams = {"from": self.address}
            call.call(parameters, block_identifier=receipt["blockNumber"])
        raise TransactionFailedError(
            f"Transaction {Web3.to_hex(receipt['transactionHash'])} was mined and failed; try again."
        )


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except ContractLogicError as error:
        raise explain_revert(error) from error
    except requests.RequestException as error:
        raise ChainUnavailableError("The chain stopped answering; check the RPC endpoint.") from error
    except (Web3Exception, ValueError) as error:
        raise TransactionFailedError(_refusal(error)) from error


def _refusal(error: Exception) -> str:
    text = str(error).lower()
    if "insufficient funds" in text:
        return "The account cannot pay for the transaction; send it some of the chain's own currency."
    if "nonce too low" in text:
        return "Another program uses the same key; stop it, or give this one a key of its own."
    return f"The endpoint refused the transaction: {error}"


# Endpoints share no error codes, only the words that geth chose.
def _is_known(error: Web3RPCError) -> bool:
    return any(words in str(error).lower() for words in ("already known", "already imported", "known transaction"))


def _is_nonce_taken(error: Web3RPCError) -> bool:
    return any(words in str(error).lower() for words in ("nonce too low", "replacement transaction underpriced"))


def _is_underpriced(error: Web3RPCError) -> bool:
    return "less than block base fee" in str(error).lower()
