"""Deploying the contracts, granting the roles, and checking that everything is wired as it should be."""

from dataclasses import astuple
from typing import Any

from eth_account.signers.base import BaseAccount
from eth_typing import ChecksumAddress
from eth_utils.abi import function_abi_to_4byte_selector
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import BadFunctionCallOutput, ContractLogicError
from web3.utils.address import get_create_address

from chain.artifacts import load_artifact
from chain.deployment import Deployment
from chain.errors import TransactionFailedError, WrongNetworkError
from chain.network import Network
from chain.parameters import Parameters, reputation_tuple
from chain.sender import TransactionSender

PAUSER_ROLE = 1
GOVERNOR_ROLE = 2

# The contracts name each other before they are there: in which order they are made decides on their addresses.
_ORDER = (
    "StakeVault",
    "JobEscrow",
    "FeedbackGraph",
    "ReputationOracle",
    "AuditCourt",
    "SourceVault",
    "SourceRegistry",
)
_PAUSED = ("JobEscrow", "AuditCourt")
_GOVERNED = {
    "JobEscrow": "setDetection",
    "AuditCourt": "setPenalties",
    "ReputationOracle": "setParameters",
    "SourceRegistry": "setJob",
}
_WIRING = {
    ("StakeVault", "token"): "MeritToken",
    ("StakeVault", "court"): "AuditCourt",
    ("JobEscrow", "token"): "MeritToken",
    ("JobEscrow", "court"): "AuditCourt",
    ("JobEscrow", "feeCollector"): "ReputationOracle",
    ("JobEscrow", "authority"): "AccessManager",
    ("FeedbackGraph", "court"): "AuditCourt",
    ("FeedbackGraph", "oracle"): "ReputationOracle",
    ("ReputationOracle", "graph"): "FeedbackGraph",
    ("ReputationOracle", "token"): "MeritToken",
    ("ReputationOracle", "escrow"): "JobEscrow",
    ("ReputationOracle", "authority"): "AccessManager",
    ("AuditCourt", "vault"): "StakeVault",
    ("AuditCourt", "escrow"): "JobEscrow",
    ("AuditCourt", "graph"): "FeedbackGraph",
    ("AuditCourt", "oracle"): "ReputationOracle",
    ("AuditCourt", "authority"): "AccessManager",
    ("SourceVault", "token"): "MeritToken",
    ("SourceVault", "court"): "SourceRegistry",
    ("SourceRegistry", "vault"): "SourceVault",
    ("SourceRegistry", "escrow"): "JobEscrow",
    ("SourceRegistry", "authority"): "AccessManager",
}


def deploy(web3: Web3, account: BaseAccount, parameters: Parameters) -> Deployment:
    """Deploy all contracts from `account`, who becomes administrator, pauser and governor.

    The contracts name each other in immutables, so later addresses are computed from the account's nonce: nothing else
    may send from `account` meanwhile (`WrongNetworkError` if something did).
    """
    sender = TransactionSender(web3, account)
    block = web3.eth.block_number
    addresses: dict[str, ChecksumAddress] = {}

    def create(name: str, *arguments: Any) -> None:
        artifact = load_artifact(name)
        factory = web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        address = sender.send(factory.constructor(*arguments))["contractAddress"]
        if address is None:
            raise TransactionFailedError(f"The deployment of {name} made no contract; try again.")
        addresses[name] = address

    if parameters.token is None:
        create("MeritToken", account.address, parameters.supply)
    else:
        addresses["MeritToken"] = parameters.token
    create("AccessManager", account.address)

    nonce = web3.eth.get_transaction_count(account.address)
    predicted = {
        name: get_create_address(account.address, nonce + i)  # type: ignore[arg-type]
        for i, name in enumerate(_ORDER)
    }
    token, manager, court = addresses["MeritToken"], addresses["AccessManager"], predicted["AuditCourt"]
    reputation = parameters.reputation
    create("StakeVault", token, court, astuple(parameters.vault))
    create(
        "JobEscrow",
        token,
        court,
        predicted["ReputationOracle"],
        manager,
        parameters.claim_window,
        parameters.detection,
        parameters.fee_rate,
    )
    create("FeedbackGraph", court, predicted["ReputationOracle"], reputation.epoch_length)
    create(
        "ReputationOracle",
        predicted["FeedbackGraph"],
        token,
        predicted["JobEscrow"],
        manager,
        (reputation.bond, reputation.challenge_window, reputation.proposal_window),
        reputation_tuple(reputation, account.address),
    )
    create(
        "AuditCourt",
        predicted["StakeVault"],
        predicted["JobEscrow"],
        predicted["FeedbackGraph"],
        predicted["ReputationOracle"],
        manager,
        astuple(parameters.windows),
        astuple(parameters.penalties),
    )
    create("SourceVault", token, predicted["SourceRegistry"], astuple(parameters.vault))
    create("SourceRegistry", addresses["SourceVault"], addresses["JobEscrow"], manager)
    network = Network(web3, Deployment(web3.eth.chain_id, block, addresses))
    check_wiring(network)
    _grant_roles(network, sender, parameters.governance_delay)
    return network.deployment


def check_wiring(network: Network) -> None:
    """Raise `WrongNetworkError` unless every contract names the others of this deployment."""
    for (name, getter), target in _WIRING.items():
        expected = network.deployment.addresses[target]
        try:
            found = network.contract(name).functions[getter]().call()
        except (ContractLogicError, BadFunctionCallOutput):
            found = "not to be had"
        if found != expected:
            raise WrongNetworkError(
                f"{name}.{getter} is {found}, but this deployment's {target} is {expected}; "
                "deploy again with a key that sends nothing else meanwhile."
            )


def is_deployed(network: Network) -> bool:
    """Whether the chain holds exactly the bytecode that ships with this package, immutables aside."""
    return all(
        same_code(network, name, bytes.fromhex(load_artifact(name).deployed_bytecode.removeprefix("0x")))
        for name in network.deployment.addresses
        if name != "MeritToken"
    )


def same_code(network: Network, name: str, expected: bytes) -> bool:
    """Whether the chain holds `expected` as the runtime code of a contract, immutables aside."""
    code = bytes(network.web3.eth.get_code(network.deployment.addresses[name]))
    if len(code) != len(expected):
        return False
    masked = bytearray(code)
    for places in load_artifact(name).immutable_references.values():
        for place in places:
            start, length = place["start"], place["length"]
            masked[start : start + length] = expected[start : start + length]
    return bytes(masked) == expected


def _grant_roles(network: Network, sender: TransactionSender, governance_delay: int) -> None:
    """Pausing acts at once, parameters after the delay; both roles start with the deployer, who hands them on."""
    manager: Contract = network.contract("AccessManager")
    governed = [(name, [function], GOVERNOR_ROLE) for name, function in _GOVERNED.items()]
    for name, functions, role in [(name, ["pause", "unpause"], PAUSER_ROLE) for name in _PAUSED] + governed:
        contract = network.contract(name)
        selectors = [function_abi_to_4byte_selector(contract.get_function_by_name(one).abi) for one in functions]
        sender.send(manager.functions.setTargetFunctionRole(contract.address, selectors, role))
    sender.send(manager.functions.grantRole(PAUSER_ROLE, sender.address, 0))
    sender.send(manager.functions.grantRole(GOVERNOR_ROLE, sender.address, governance_delay))
