"""A connection to one network: the RPC endpoint and the contracts deployed there."""

from dataclasses import dataclass
from functools import cached_property

import requests
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import Web3Exception

from chain.artifacts import load_artifact
from chain.deployment import Deployment
from chain.endpoints import Endpoints, open_provider, show_endpoints
from chain.errors import ChainUnavailableError, WrongNetworkError
from chain.typed_data import Domain, SourceDomain


def connect(rpc_url: str, timeout: float = 10.0) -> Web3:
    """A client of the endpoint, or of several separated by commas.

    Raises `ChainUnavailableError` unless one answers with a chain id, `WrongNetworkError` where they differ in it.
    """
    provider = open_provider(rpc_url, timeout)
    web3 = Web3(provider)
    try:
        _ = web3.eth.chain_id
    except (requests.RequestException, Web3Exception, ValueError, OSError) as error:
        raise ChainUnavailableError(
            f"No chain answers at {show_endpoints(rpc_url)}; start one, or name another with --rpc."
        ) from error
    if isinstance(provider, Endpoints):
        provider.check_same_chain()
    return web3


@dataclass(frozen=True)
class Network:
    """Merit on one chain. Contracts are web3 objects built from the ABIs that ship with this package."""

    web3: Web3
    deployment: Deployment

    @classmethod
    def connect(cls, rpc_url: str, deployment: Deployment) -> "Network":
        """Connect and check that the endpoint serves the chain of `deployment` and that its court has code there."""
        web3 = connect(rpc_url)
        if web3.eth.chain_id != deployment.chain_id:
            raise WrongNetworkError(
                f"{show_endpoints(rpc_url)} serves chain {web3.eth.chain_id}, but the deployment is on chain "
                f"{deployment.chain_id}; name the endpoint of that chain, or another deployment file."
            )
        if not web3.eth.get_code(deployment.addresses["AuditCourt"]):
            raise WrongNetworkError(
                f"Chain {deployment.chain_id} has no AuditCourt at {deployment.addresses['AuditCourt']}; "
                "it was restarted or is another chain: run `merit deploy` again."
            )
        return cls(web3, deployment)

    @property
    def domain(self) -> Domain:
        """The EIP-712 domain that batches, requests and receipts are signed in."""
        return Domain(self.deployment.chain_id, self.deployment.addresses["AuditCourt"])

    @property
    def source_domain(self) -> SourceDomain:
        """The EIP-712 domain that sources sign their answers in."""
        return SourceDomain(self.deployment.chain_id, self.deployment.addresses["SourceRegistry"])

    @cached_property
    def token(self) -> Contract:
        """`MeritToken`, or the ERC-20 that the network was deployed with."""
        return self.contract("MeritToken")

    @cached_property
    def vault(self) -> Contract:
        """`StakeVault`."""
        return self.contract("StakeVault")

    @cached_property
    def escrow(self) -> Contract:
        """`JobEscrow`."""
        return self.contract("JobEscrow")

    @cached_property
    def court(self) -> Contract:
        """`AuditCourt`."""
        return self.contract("AuditCourt")

    @cached_property
    def graph(self) -> Contract:
        """`FeedbackGraph`."""
        return self.contract("FeedbackGraph")

    @cached_property
    def oracle(self) -> Contract:
        """`ReputationOracle`."""
        return self.contract("ReputationOracle")

    @cached_property
    def sources(self) -> Contract:
        """`SourceRegistry`."""
        return self.contract("SourceRegistry")

    @cached_property
    def source_vault(self) -> Contract:
        """`SourceVault`, which holds the stake behind sources."""
        return self.contract("SourceVault")

    def contract(self, name: str) -> Contract:
        """One deployed contract by its name in the deployment file."""
        return self.web3.eth.contract(address=self.deployment.addresses[name], abi=load_artifact(name).abi)
