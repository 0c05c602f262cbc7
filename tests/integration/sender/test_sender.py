"""The sender on a chain whose blocks the test makes: nothing is lost, sent twice, or stuck for good."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3.contract.contract import ContractFunction
from web3.types import RPCEndpoint, TxReceipt

from chain.artifacts import load_artifact
from chain.errors import ChainUnavailableError, TransactionFailedError
from chain.fees import FeeAboveLimitError
from chain.localnet import DEVELOPMENT_KEY, local_chain
from chain.network import connect
from chain.outbox import Outbox
from chain.sender import TransactionSender

pytestmark = pytest.mark.chain
RECEIVER = to_checksum_address("0x" + "00" * 19 + "99")


class Sending:
    """A call on its way in a thread of its own, so that the test can act on the chain meanwhile."""

    def __init__(self, sender: TransactionSender, call: ContractFunction) -> None:
        self._result: TxReceipt | Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(sender, call))
        self._thread.start()

    def _run(self, sender: TransactionSender, call: ContractFunction) -> None:
        try:
            self._result = sender.send(call)
        except Exception as error:
            self._result = error

    def receipt(self) -> TxReceipt:
        self._thread.join(30)
        if isinstance(self._result, Exception):
            raise self._result
        assert self._result is not None
        return self._result


class Chain:
    """An ERC-20 and its owner."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.web3 = connect(url)
        self.owner: LocalAccount = Account.from_key(DEVELOPMENT_KEY)
        artifact = load_artifact("MeritToken")
        factory = self.web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        receipt = TransactionSender(self.web3, self.owner).send(factory.constructor(self.owner.address, 10**24))
        self.token = self.web3.eth.contract(address=receipt["contractAddress"], abi=artifact.abi)

    def mining(self, on: bool) -> None:
        self._make("evm_setAutomine", [on])

    def mine(self) -> None:
        self._make("evm_mine", [])

    def reorganise(self, depth: int) -> None:
        """Put empty blocks in the place of the newest."""
        self._make("anvil_reorg", [depth, []])

    def base_fee(self, wei: int) -> None:
        self._make("anvil_setNextBlockBaseFeePerGas", [hex(wei)])

    def pool(self) -> dict[int, dict[str, Any]]:
        content: Any = self.web3.provider.make_request(RPCEndpoint("txpool_content"), [])["result"]
        mine = content["pending"].get(self.owner.address.lower()) or content["pending"].get(self.owner.address) or {}
        return {int(nonce): transaction for nonce, transaction in mine.items()}

    def await_pool(self, condition: Callable[[dict[int, dict[str, Any]]], bool]) -> dict[int, dict[str, Any]]:
        for _ in range(400):
            content = self.pool()
            if condition(content):
                return content
            threading.Event().wait(0.05)
        raise AssertionError(f"the pool never became as expected: {self.pool()}")

    def pay(self, amount: int) -> ContractFunction:
        return self.token.functions.transfer(RECEIVER, amount)

    def paid(self) -> int:
        balance: int = self.token.functions.balanceOf(RECEIVER).call()
        return balance

    def nonce(self) -> int:
        return self.web3.eth.get_transaction_count(self.owner.address)

    def _make(self, method: str, parameters: list[Any]) -> None:
        answer = self.web3.provider.make_request(RPCEndpoint(method), parameters)
        assert "error" not in answer, answer


@pytest.fixture(scope="module")
def anvil() -> Iterator[str]:
    with local_chain() as url:
        yield url


@pytest.fixture
def chain(anvil: str) -> Iterator[Chain]:
    chain = Chain(anvil)
    snapshot = chain.web3.provider.make_request(RPCEndpoint("evm_snapshot"), [])["result"]
    yield chain
    chain.mining(True)
    chain.web3.provider.make_request(RPCEndpoint("evm_revert"), [snapshot])


def test_send__second_of_two__asks_the_endpoint_five_times(chain: Chain, faulty_endpoint: Callable[[str], Any]) -> None:
    endpoint = faulty_endpoint(chain.url)
    sender = TransactionSender(connect(endpoint.url), chain.owner)
    sender.send(chain.pay(1))
    endpoint.asked.clear()
    sender.send(chain.pay(2))
    assert endpoint.asked[:4] == [
        "eth_estimateGas",
        "eth_getTransactionCount",
        "eth_feeHistory",
        "eth_sendRawTransaction",
    ]
    # Once where the block is there at once.
    assert set(endpoint.asked[4:]) == {"eth_getTransactionReceipt"}


def test_send__not_mined__replaced_by_the_same_call_for_more(chain: Chain) -> None:
    chain.mining(False)
    sending = Sending(TransactionSender(chain.web3, chain.owner, patience=0.2), chain.pay(3))
    first = next(iter(chain.await_pool(bool).values()))
    second = next(
        iter(chain.await_pool(lambda pool: any(tx["hash"] != first["hash"] for tx in pool.values())).values())
    )
    for same in ("nonce", "to", "input", "value", "gas"):
        assert second[same] == first[same]
    for more in ("maxFeePerGas", "maxPriorityFeePerGas"):
        assert int(second[more], 16) * 100 >= int(first[more], 16) * 111
    chain.mine()
    assert sending.receipt()["status"] == 1
    assert chain.paid() == 3


def test_send__not_mined_and_at_its_limit__offers_no_more(chain: Chain) -> None:
    chain.mining(False)
    limit = 2 * chain.web3.eth.get_block("pending")["baseFeePerGas"]
    sending = Sending(TransactionSender(chain.web3, chain.owner, patience=0.1, fee_limit=limit), chain.pay(3))
    first = next(iter(chain.await_pool(bool).values()))
    assert int(first["maxFeePerGas"], 16) <= limit
    threading.Event().wait(0.6)
    assert [transaction["hash"] for transaction in chain.pool().values()] == [first["hash"]]
    chain.mine()
    assert sending.receipt()["status"] == 1


def test_send__base_fee_ten_times_higher_after_it_was_sent__is_mined_all_the_same(chain: Chain) -> None:
    chain.mining(False)
    sending = Sending(TransactionSender(chain.web3, chain.owner, patience=0.2), chain.pay(4))
    first = next(iter(chain.await_pool(bool).values()))
    spike = 10 * int(first["maxFeePerGas"], 16)
    chain.base_fee(spike)
    chain.await_pool(lambda pool: any(int(tx["maxFeePerGas"], 16) >= spike for tx in pool.values()))
    chain.mine()
    assert sending.receipt()["effectiveGasPrice"] >= spike
    assert chain.paid() == 4


def test_send__base_fee_above_the_limit_after_it_was_sent__waits_until_it_falls(chain: Chain) -> None:
    chain.mining(False)
    limit = 2 * chain.web3.eth.get_block("pending")["baseFeePerGas"]
    sending = Sending(TransactionSender(chain.web3, chain.owner, patience=0.1, fee_limit=limit), chain.pay(9))
    chain.await_pool(bool)
    chain.base_fee(10 * limit)
    threading.Event().wait(0.6)
    chain.base_fee(limit // 2)
    chain.mine()
    assert sending.receipt()["status"] == 1


def test_send__base_fee_ten_times_higher_before_it_is_sent__is_mined_at_once(chain: Chain) -> None:
    chain.base_fee(10 * chain.web3.eth.get_block("latest")["baseFeePerGas"])
    assert TransactionSender(chain.web3, chain.owner).send(chain.pay(1))["status"] == 1


def test_send__base_fee_above_the_limit__refused_and_not_sent(chain: Chain) -> None:
    before = chain.nonce()
    with pytest.raises(FeeAboveLimitError, match="wait, or raise MERIT_MAX_FEE_GWEI"):
        TransactionSender(chain.web3, chain.owner, fee_limit=1).send(chain.pay(1))
    assert chain.nonce() == before


def test_send__nonce_used_by_another_program_meanwhile__sent_again_with_the_next(chain: Chain) -> None:
    chain.mining(False)
    sending = Sending(TransactionSender(chain.web3, chain.owner, patience=0.3), chain.pay(5))
    ((nonce, mine),) = chain.await_pool(bool).items()
    other = chain.owner.sign_transaction(
        {
            "chainId": 31337,
            "nonce": nonce,
            "to": RECEIVER,
            "value": 1,
            "gas": 30_000,
            "maxFeePerGas": 100 * int(mine["maxFeePerGas"], 16),
            "maxPriorityFeePerGas": 100 * int(mine["maxPriorityFeePerGas"], 16),
        }
    )
    chain.web3.eth.send_raw_transaction(other.raw_transaction)
    chain.mine()
    chain.await_pool(lambda pool: list(pool) == [nonce + 1])
    chain.mine()
    assert sending.receipt()["status"] == 1
    assert chain.paid() == 5


def test_send__reorganisation_takes_earlier_ones_away__they_are_sent_again_and_it_is_mined(chain: Chain) -> None:
    sender = TransactionSender(chain.web3, chain.owner)
    first = chain.nonce()
    before = chain.paid()
    for amount in (1, 2, 3):
        sender.send(chain.pay(amount))
    chain.mining(False)
    later = Sending(sender, chain.pay(4))
    chain.await_pool(lambda pool: first + 3 in pool)
    chain.reorganise(2)
    assert chain.nonce() == first + 1
    chain.mining(True)
    assert later.receipt()["status"] == 1
    assert (chain.paid() - before, chain.nonce()) == (10, first + 4)


def test_send__answer_lost_and_called_again__sent_once(
    chain: Chain, faulty_endpoint: Callable[[str], Any], faults: Any
) -> None:
    endpoint = faulty_endpoint(chain.url)
    sender = TransactionSender(connect(endpoint.url), chain.owner)
    before = chain.nonce()
    endpoint.fault = lambda method: faults.LOST if method == "eth_sendRawTransaction" else faults.NONE
    with pytest.raises(ChainUnavailableError):
        sender.send(chain.pay(6))
    endpoint.fault = lambda _: faults.NONE
    assert sender.send(chain.pay(6))["status"] == 1
    assert (chain.paid(), chain.nonce()) == (6, before + 1)


def test_send__answer_lost_and_never_called_again__forgotten_after_a_while(
    chain: Chain, faulty_endpoint: Callable[[str], Any], faults: Any, tmp_path: Path
) -> None:
    now, before = 0.0, chain.nonce()
    endpoint, outbox = faulty_endpoint(chain.url), Outbox(tmp_path / "outbox.sqlite")
    sender = TransactionSender(connect(endpoint.url), chain.owner, outbox=outbox, monotonic=lambda: now)
    endpoint.fault = lambda method: faults.LOST if method == "eth_sendRawTransaction" else faults.NONE
    with pytest.raises(ChainUnavailableError):
        sender.send(chain.pay(1))
    endpoint.fault = lambda _: faults.NONE
    while chain.nonce() == before:
        threading.Event().wait(0.05)
    for amount in (2, 4):
        endpoint.asked.clear()
        sender.send(chain.pay(amount))
        assert len(outbox.load(now)) == 1
    assert endpoint.asked.count("eth_sendRawTransaction") == 1
    now = 121.0
    sender.send(chain.pay(8))
    assert not outbox.load(now)
    assert chain.paid() == 15


def test_send__killed_before_the_endpoint_heard_of_it__sent_by_the_next_process_once(
    chain: Chain, faulty_endpoint: Callable[[str], Any], faults: Any, tmp_path: Path
) -> None:
    before = chain.nonce()
    endpoint = faulty_endpoint(chain.url)
    endpoint.fault = lambda method: faults.DROP if method == "eth_sendRawTransaction" else faults.NONE
    outbox = Outbox(tmp_path / "outbox.sqlite")
    with pytest.raises(ChainUnavailableError):
        TransactionSender(connect(endpoint.url), chain.owner, outbox=outbox).send(chain.pay(7))
    outbox.close()
    assert chain.nonce() == before
    again = TransactionSender(chain.web3, chain.owner, outbox=Outbox(tmp_path / "outbox.sqlite"))
    assert again.send(chain.pay(7))["status"] == 1
    assert again.send(chain.pay(8))["status"] == 1
    assert (chain.paid(), chain.nonce()) == (15, before + 2)


def test_send__killed_while_it_waited__next_process_waits_for_the_same_transaction(
    chain: Chain, tmp_path: Path
) -> None:
    chain.mining(False)
    outbox = Outbox(tmp_path / "outbox.sqlite")
    with pytest.raises(TransactionFailedError, match="not mined within"):
        TransactionSender(chain.web3, chain.owner, receipt_timeout=0.1, outbox=outbox).send(chain.pay(7))
    outbox.close()
    again = TransactionSender(chain.web3, chain.owner, outbox=Outbox(tmp_path / "outbox.sqlite"))
    sending = Sending(again, chain.pay(7))
    threading.Event().wait(1)
    chain.mine()
    assert sending.receipt()["status"] == 1
    chain.mine()
    assert chain.paid() == 7


def test_send__outbox_of_a_chain_that_is_gone__does_not_stand_in_the_way(chain: Chain, tmp_path: Path) -> None:
    chain.mining(False)
    outbox = Outbox(tmp_path / "outbox.sqlite")
    impatient = TransactionSender(chain.web3, chain.owner, receipt_timeout=0.1, outbox=outbox)
    for amount in (1, 2):
        with pytest.raises(TransactionFailedError, match="not mined within"):
            impatient.send(chain.pay(amount))
    outbox.drop(min(outbox.load(0.0)))
    outbox.close()
    chain.web3.provider.make_request(RPCEndpoint("anvil_dropAllTransactions"), [])
    chain.mining(True)
    again = TransactionSender(chain.web3, chain.owner, outbox=Outbox(tmp_path / "outbox.sqlite"))
    assert again.send(chain.pay(4))["status"] == 1
    assert chain.paid() == 4


def test_send_all__many_at_once__mined_in_the_order_of_the_calls(chain: Chain) -> None:
    before = chain.nonce()
    receipts = TransactionSender(chain.web3, chain.owner).send_all([chain.pay(amount) for amount in range(1, 6)])
    assert [receipt["status"] for receipt in receipts] == [1] * 5
    assert (chain.paid(), chain.nonce()) == (15, before + 5)
