"""`merit deploy`: once, wired, and safe to run again."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chain.deploy import PAUSER_ROLE, check_wiring, is_deployed
from chain.errors import TransactionRevertedError, WrongNetworkError
from chain.network import Network
from chain.sender import TransactionSender

pytestmark = pytest.mark.chain
Merit = Callable[..., Any]


def test_deploy__fresh_chain__everything_is_wired_and_of_this_version(deployed: Network) -> None:
    check_wiring(deployed)
    assert is_deployed(deployed)


def test_deploy__again__sends_nothing_and_prints_the_same(merit: Merit, rpc: str, deployed: Network) -> None:
    block = deployed.web3.eth.block_number
    answer = merit("deploy", "--rpc", rpc, "--json")
    assert answer.status == 0
    assert json.loads(answer.out)["addresses"] == deployed.deployment.addresses
    assert deployed.web3.eth.block_number == block


def test_deploy__file_of_another_chain__is_refused(merit: Merit, rpc: str, deployed: Network, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    replace(deployed.deployment, chain_id=1).save(other)
    answer = merit("deploy", "--rpc", rpc, "--deployment", str(other))
    assert answer.status == 1
    assert "is for chain 1, not 31337" in answer.refusal


def test_deploy__unknown_parameter__is_named_and_nothing_sent(
    merit: Merit, rpc: str, deployed: Network, tmp_path: Path
) -> None:
    (tmp_path / "parameters.json").write_text('{"windows": {"comit": 3}}')
    block = deployed.web3.eth.block_number
    answer = merit(
        "deploy", "--rpc", rpc, "--deployment", str(tmp_path / "new.json"), "--parameters", "parameters.json"
    )
    assert answer.status == 1
    assert "'comit'" in answer.refusal
    assert deployed.web3.eth.block_number == block
    assert not (tmp_path / "new.json").exists()


def test_check_wiring__foreign_contract__is_named(deployed: Network) -> None:
    addresses = deployed.deployment.addresses | {"FeedbackGraph": deployed.deployment.addresses["StakeVault"]}
    with pytest.raises(WrongNetworkError, match="FeedbackGraph"):
        check_wiring(Network(deployed.web3, replace(deployed.deployment, addresses=addresses)))


def test_is_deployed__other_code__is_noticed(deployed: Network) -> None:
    addresses = deployed.deployment.addresses | {"FeedbackGraph": deployed.deployment.addresses["StakeVault"]}
    assert not is_deployed(Network(deployed.web3, replace(deployed.deployment, addresses=addresses)))


def test_roles__deployer__pauses_and_a_stranger_does_not(deployed: Network, operator: TransactionSender) -> None:
    manager = deployed.contract("AccessManager")
    assert manager.functions.hasRole(PAUSER_ROLE, operator.address).call() == [True, 0]
    for contract in (deployed.court, deployed.escrow):
        operator.send(contract.functions.pause())
        assert contract.functions.paused().call()
        operator.send(contract.functions.unpause())
        stranger = "0x" + "11" * 20
        with pytest.raises(Exception, match=r"0x068ca9d8"):
            contract.functions.pause().call({"from": deployed.web3.to_checksum_address(stranger)})


def test_sender__refused_call__is_explained_and_not_sent(deployed: Network, operator: TransactionSender) -> None:
    nonce = deployed.web3.eth.get_transaction_count(operator.address)
    with pytest.raises(TransactionRevertedError, match="has 0 of stake for this, but 100 is needed") as refusal:
        operator.send(deployed.vault.functions.joinCommittee())
    assert refusal.value.name == "StakeVaultInsufficientStake"
    assert deployed.web3.eth.get_transaction_count(operator.address) == nonce
