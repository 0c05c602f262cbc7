"""What an account owns in the contracts, read at the chain's newest block."""

from dataclasses import dataclass
from typing import Protocol

from eth_typing import ChecksumAddress

from chain.calls import read
from chain.network import Network


@dataclass(frozen=True)
class Holdings:
    """Amounts in the token's smallest unit; see `IStakeVault.Stake`. `reputation`: 1e18 = 1.0."""

    tokens: int
    active: int
    locked: int
    unbonding: int
    matured: int
    bounties: int
    credit: int
    bond_credit: int
    reputation: int
    is_member: bool


class AccountReader(Protocol):
    """Where holdings are looked up."""

    def holdings(self, account: ChecksumAddress) -> Holdings:
        """Of any account; zeros for one that the contracts do not know."""


class NetworkAccounts:
    """`AccountReader` on a network."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def holdings(self, account: ChecksumAddress) -> Holdings:
        """Of any account; zeros for one that the contracts do not know."""
        network = self._network
        active, locked, unbonding, matured, bounties = read(network.vault.functions.stakeOf(account))
        return Holdings(
            tokens=read(network.token.functions.balanceOf(account)),
            active=active,
            locked=locked,
            unbonding=unbonding,
            matured=matured,
            bounties=bounties,
            credit=read(network.escrow.functions.creditOf(account)),
            bond_credit=read(network.oracle.functions.creditOf(account)),
            reputation=read(network.oracle.functions.reputationOf(account)),
            is_member=read(network.vault.functions.isMember(account)),
        )
