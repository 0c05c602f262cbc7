"""Several endpoints as one: whatever one of them does, the others answer, and none that is behind is believed."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from web3 import Web3
from web3.types import RPCEndpoint

from chain.endpoints import Endpoints, show_endpoints
from chain.errors import ChainUnavailableError, WrongNetworkError
from chain.localnet import free_port, local_chain
from chain.network import connect

pytestmark = pytest.mark.chain
MakeFaulty = Callable[[str], Any]


@pytest.fixture(scope="module")
def anvil() -> Iterator[str]:
    with local_chain() as url:
        yield url


@pytest.mark.parametrize("name", ["DROP", "STALL", "LOST", "BUSY", "BROKEN", "NONSENSE"])
def test_endpoints__first_one_fails__second_answers_and_is_asked_first_from_then_on(
    anvil: str, faulty_endpoint: MakeFaulty, faults: Any, name: str
) -> None:
    first, second = faulty_endpoint(anvil), faulty_endpoint(anvil)
    web3 = Web3(Endpoints([first.url, second.url], timeout=0.5))
    head = web3.eth.block_number
    assert not second.asked
    first.fault = lambda _: faults[name]
    assert web3.eth.block_number == head
    asked = len(first.asked)
    assert web3.eth.block_number == head
    assert len(first.asked) == asked


def test_endpoints__first_one_says_it_is_overloaded__second_answers(
    anvil: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoints = Endpoints([anvil, anvil])
    first = endpoints._providers[0]
    busy = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "limit exceeded"}}
    monkeypatch.setattr(first, "make_request", lambda *_: busy)
    assert Web3(endpoints).eth.chain_id == 31337


def test_endpoints__all_fail__error_of_the_last_is_raised() -> None:
    nowhere = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
    with pytest.raises(requests.ConnectionError):
        Endpoints(nowhere).make_request(RPCEndpoint("eth_blockNumber"), [])


def test_endpoints__first_one_rested_long_enough__asked_again(
    anvil: str, faulty_endpoint: MakeFaulty, faults: Any
) -> None:
    now = 0.0
    first, second = faulty_endpoint(anvil), faulty_endpoint(anvil)
    web3 = Web3(Endpoints([first.url, second.url], check_seconds=1e9, monotonic=lambda: now))
    first.fault = lambda _: faults.BROKEN
    assert web3.eth.block_number >= 0
    first.fault = lambda _: faults.NONE
    now, asked = 31.0, len(second.asked)
    assert web3.eth.block_number >= 0
    assert len(second.asked) == asked


def test_endpoints__first_one_stands_still__heads_are_compared_and_it_is_left(
    anvil: str, faulty_endpoint: MakeFaulty, faults: Any
) -> None:
    now = 0.0
    first, second = faulty_endpoint(anvil), faulty_endpoint(anvil)
    web3 = Web3(Endpoints([first.url, second.url], check_seconds=5, monotonic=lambda: now))
    old = web3.eth.block_number
    first.fault = lambda _: faults.OLD
    Web3(Web3.HTTPProvider(anvil)).provider.make_request(RPCEndpoint("anvil_mine"), ["0x5"])
    assert web3.eth.block_number == old
    now = 6.0
    assert web3.eth.block_number == old + 5


def test_connect__endpoints_of_two_chains__refused(anvil: str) -> None:
    with (
        local_chain("--chain-id", "77") as other,
        pytest.raises(WrongNetworkError, match=r"serves chain 31337 and .* serves chain 77; name endpoints of one"),
    ):
        connect(f"{anvil},{other}")


def test_connect__one_of_two_is_down__connects(anvil: str) -> None:
    assert connect(f"http://127.0.0.1:{free_port()}, {anvil}").eth.chain_id == 31337


def test_connect__secrets_in_the_url__not_in_the_message() -> None:
    port = free_port()
    with pytest.raises(ChainUnavailableError) as failure:
        connect(f"http://user:hidden@127.0.0.1:{port}/hidden?key=hidden")
    assert f"No chain answers at http://127.0.0.1:{port}; start one" in str(failure.value)
    assert "hidden" not in str(failure.value)


@pytest.mark.parametrize("text", ["", "a b", "http://[", "http://h:port/secret", "//"])
def test_show_endpoints__not_a_url__does_not_fail(text: str) -> None:
    assert "secret" not in show_endpoints(text)
