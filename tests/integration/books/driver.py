"""The same call to a contract on a chain and to a model of it, and whether they end alike."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from eth_typing import ChecksumAddress
from eth_utils.abi import function_signature_to_4byte_selector
from web3 import Web3

from chain.artifacts import load_artifact

_PANIC = function_signature_to_4byte_selector("Panic(uint256)")


class Refused(Exception):  # noqa: N818 - the contract's word for it
    """The call must revert with this custom error, or with a panic where there is none."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class Driver:
    """A development chain with accounts that need no keys."""

    def __init__(self, web3: Web3, random: Random) -> None:
        self.web3 = web3
        self.random = random
        accounts: Sequence[ChecksumAddress] = web3.eth.accounts
        self.deployer, self.court, self.actors = accounts[0], accounts[1], list(accounts[2:7])
        self._errors: dict[bytes, str] = {}

    def deploy(self, name: str, *arguments: Any) -> Any:
        """A new contract; its custom errors are known from here on."""
        artifact = load_artifact(name)
        for entry in artifact.abi:
            if entry["type"] == "error":
                kinds = ",".join(argument["type"] for argument in entry["inputs"])
                self._errors[function_signature_to_4byte_selector(f"{entry['name']}({kinds})")] = entry["name"]
        factory = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        receipt = self.web3.eth.wait_for_transaction_receipt(
            factory.constructor(*arguments).transact({"from": self.deployer})
        )
        return self.web3.eth.contract(receipt["contractAddress"], abi=artifact.abi)

    def send(self, call: Any, sender: ChecksumAddress) -> Any:
        """The receipt, also of a call that reverts: with a gas limit of its own, it is mined too."""
        return self.web3.eth.wait_for_transaction_receipt(call.transact({"from": sender, "gas": 2_000_000}))

    def send_to_both(
        self, call: Any, sender: ChecksumAddress, follow: Callable[[int, int], None], expected: Callable[[], None]
    ) -> None:
        """Send `call`, tell the model its block and time by `follow`, and compare how it ends with `expected`."""
        receipt = self.send(call, sender)
        follow(receipt["blockNumber"], self.web3.eth.get_block(receipt["blockNumber"])["timestamp"])
        refusal = None
        try:
            expected()
        except Refused as refused:
            refusal = refused.error
        reason = None if receipt["status"] else self._reason(receipt["transactionHash"])
        assert reason == refusal, f"{call.fn_name} ended in {reason}, must end in {refusal}"

    def amount(self, most: int) -> int:
        """Mostly within `most`; sometimes nothing, all of it, or one too many."""
        edge = self.random.random()
        if edge < 0.15:
            return self.random.choice([0, most, most + 1])
        return self.random.randrange(most + 1)

    def rpc(self, method: str, *parameters: Any) -> Any:
        """A call of the development chain's own."""
        answer: Any = self.web3.provider.make_request(method, list(parameters))  # type: ignore[arg-type]
        assert "error" not in answer, answer
        return answer["result"]

    def _reason(self, transaction: bytes) -> str:
        trace = self.rpc("debug_traceTransaction", Web3.to_hex(transaction), {"tracer": "callTracer"})
        selector = bytes.fromhex(trace["output"][2:10])
        return "Panic" if selector == _PANIC else self._errors[selector]
