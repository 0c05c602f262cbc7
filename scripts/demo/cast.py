"""Who takes part in the demonstration, and the money that each starts with."""

from dataclasses import dataclass

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak

from chain.network import Network
from chain.parameters import TOKEN
from chain.sender import TransactionSender

SYBILS = 5
HONEST_VERIFIERS = 5
STAKE = 1_000 * TOKEN


@dataclass(frozen=True)
class Cast:
    """Accounts by role. The first Sybil does one piece of honest work; the ring pays itself from there."""

    operator: LocalAccount
    requester: LocalAccount
    honest: LocalAccount
    int8: LocalAccount
    small: LocalAccount
    cheap_tokens: LocalAccount
    sybils: tuple[LocalAccount, ...]
    verifiers: tuple[LocalAccount, ...]
    copier: LocalAccount
    guesser: LocalAccount

    @classmethod
    def of_seed(cls, seed: int, operator: LocalAccount) -> "Cast":
        """The same accounts for the same seed; `operator` is whoever has the tokens."""

        def account(role: str) -> LocalAccount:
            made: LocalAccount = Account.from_key(keccak(text=f"merit demonstration {seed} {role}"))
            return made

        return cls(
            operator=operator,
            requester=account("requester"),
            honest=account("honest provider"),
            int8=account("int8 provider"),
            small=account("smaller model provider"),
            cheap_tokens=account("cheap tokens provider"),
            sybils=tuple(account(f"sybil {i}") for i in range(SYBILS)),
            verifiers=tuple(account(f"verifier {i}") for i in range(HONEST_VERIFIERS)),
            copier=account("copying verifier"),
            guesser=account("guessing verifier"),
        )

    @property
    def providers(self) -> tuple[LocalAccount, ...]:
        """Everyone who contributes work, Sybils included."""
        return (self.honest, self.int8, self.small, self.cheap_tokens, *self.sybils)

    @property
    def committee(self) -> tuple[LocalAccount, ...]:
        """Everyone who can be drawn."""
        return (*self.verifiers, self.copier, self.guesser)

    @property
    def names(self) -> dict[ChecksumAddress, str]:
        """What each account is called in the tables."""
        named = {
            self.operator: "operator",
            self.requester: "requester",
            self.honest: "honest provider",
            self.int8: "provider with int8 weights",
            self.small: "provider with a smaller model",
            self.cheap_tokens: "provider with cheap tokens",
            self.copier: "verifier that copies",
            self.guesser: "verifier that guesses",
            **{account: f"verifier {i + 1}" for i, account in enumerate(self.verifiers)},
            **{account: f"sybil {i + 1}" for i, account in enumerate(self.sybils)},
        }
        return {account.address: name for account, name in named.items()}


def fund(network: Network, cast: Cast) -> None:
    """Give everyone gas and tokens, stake the providers and the committee, and seat the committee.

    Needs a development chain: balances of the chain's own currency are set, not earned.
    """
    operator = TransactionSender(network.web3, cast.operator)
    accounts = [account.address for account in (cast.requester, *cast.providers, *cast.committee)]
    for address in accounts:
        network.web3.provider.make_request("hardhat_setBalance", [address, hex(10**21)])  # type: ignore[arg-type]
    operator.send_all([network.token.functions.transfer(address, 10 * STAKE) for address in accounts])
    for account in (*cast.providers, *cast.committee):
        sender = TransactionSender(network.web3, account)
        sender.send(network.token.functions.approve(network.vault.address, STAKE))
        sender.send(network.vault.functions.deposit(STAKE))
        if account in cast.committee:
            sender.send(network.vault.functions.joinCommittee())
