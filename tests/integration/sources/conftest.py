"""A chain with Merit on it and accounts that hold tokens; each test's transactions are undone."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.types import RPCEndpoint

from chain.deploy import deploy
from chain.localnet import DEVELOPMENT_KEY, local_chain
from chain.network import Network, connect
from chain.parameters import LOCAL, TOKEN
from chain.sender import TransactionSender

FUNDS = 1_000 * TOKEN


@pytest.fixture(scope="session")
def deployed() -> Iterator[Network]:
    """The contracts on a fresh chain."""
    with local_chain() as url:
        web3 = connect(url)
        yield Network(web3, deploy(web3, Account.from_key(DEVELOPMENT_KEY), LOCAL))


@pytest.fixture
def network(deployed: Network) -> Iterator[Network]:
    """As deployed."""
    provider = deployed.web3.provider
    kept = provider.make_request(RPCEndpoint("evm_snapshot"), [])["result"]
    yield deployed
    provider.make_request(RPCEndpoint("evm_revert"), [kept])


@pytest.fixture
def operator(network: Network) -> TransactionSender:
    """Whoever deployed."""
    return TransactionSender(network.web3, Account.from_key(DEVELOPMENT_KEY))


@pytest.fixture
def funded(network: Network, operator: TransactionSender) -> Callable[[int], LocalAccount]:
    """Makes accounts, by number, that have ether and tokens."""

    def make(number: int) -> LocalAccount:
        account: LocalAccount = Account.from_key(number.to_bytes(32, "big"))
        ether = hex(Web3.to_wei(10, "ether"))
        network.web3.provider.make_request(RPCEndpoint("anvil_setBalance"), [account.address, ether])
        operator.send(network.token.functions.transfer(account.address, FUNDS))
        return account

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Documents."""
    made = tmp_path / "documents"
    made.mkdir()
    (made / "wings.txt").write_text("The wing creates lift.\n\n" + "Lift grows with the angle of the wing. " * 25)
    (made / "engines.md").write_text("Engines burn fuel at high altitude.")
    return made
