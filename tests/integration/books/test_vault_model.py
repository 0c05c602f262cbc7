"""Random calls to the vault on a chain and to a model of it; the books are compared after every one of them."""

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import accumulate
from random import Random
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from eth_utils.crypto import keccak
from web3 import Web3

from tests.integration.books.driver import Driver, Refused

MINIMUM = 100 * 10**18
DELAY = 7 * 86_400
PERIOD = 8
STEPS = 120
BURN_ADDRESS = "0x000000000000000000000000000000000000dEaD"
WEIGHT_UNIT = 10**9
MAX_UNBONDINGS = 16


@dataclass
class Account:
    """Amounts in token units; `locks` may exceed `active` after a slash that reached into them."""

    active: int = 0
    locks: int = 0
    credit: int = 0
    member: bool = False
    unbondings: list[tuple[int, int]] = field(default_factory=list)  # amount, matures at; oldest first

    @property
    def free(self) -> int:
        return max(0, self.active - self.locks)

    def matured(self, now: int) -> int:
        return sum(amount for amount, at in self.unbondings if at <= now)


@dataclass
class VaultModel:
    """The vault by its rules: what each call must do to the books, or which error it must end in.

    Every method is one call, at block `block` and time `now`, which the driver sets first.
    """

    minimum_stake: int
    unbonding_delay: int
    period_blocks: int
    accounts: dict[str, Account] = field(default_factory=lambda: defaultdict(Account))
    seats: list[str] = field(default_factory=list)  # in the order of first joining
    openings: dict[int, dict[str, int]] = field(default_factory=dict)  # period -> weights at its start
    burned: int = 0
    sent: int = 0
    deposited: int = 0
    withdrawn: int = 0
    block: int = 0
    now: int = 0

    def advance(self, block: int, now: int) -> None:
        """Move to a later block; a period's opening weights are those before its first transaction."""
        for period in range(self.block // self.period_blocks + 1, block // self.period_blocks + 1):
            self.openings[period] = self.weights()
        self.block, self.now = block, now

    def weights(self) -> dict[str, int]:
        """Each seat's weight as it is now."""
        return {seat: self._weight(self.accounts[seat]) for seat in self.seats}

    def deposit(self, caller: str, amount: int) -> None:
        if amount == 0:
            raise Refused("StakeVaultZeroAmount")
        self.accounts[caller].active += amount
        self.deposited += amount

    def begin_unbond(self, caller: str, amount: int) -> None:
        account = self.accounts[caller]
        if amount == 0:
            raise Refused("StakeVaultZeroAmount")
        if amount > account.free:
            raise Refused("StakeVaultInsufficientStake")
        if len(account.unbondings) == MAX_UNBONDINGS:
            raise Refused("StakeVaultTooManyUnbondings")
        account.active -= amount
        account.unbondings.append((amount, self.now + self.unbonding_delay))

    def withdraw(self, caller: str) -> None:
        account = self.accounts[caller]
        amount = account.matured(self.now) + account.credit
        if amount == 0:
            raise Refused("StakeVaultNothingToWithdraw")
        account.unbondings = [entry for entry in account.unbondings if entry[1] > self.now]
        account.credit = 0
        self.withdrawn += amount

    def join(self, caller: str) -> None:
        account = self.accounts[caller]
        if account.member:
            raise Refused("StakeVaultAlreadyMember")
        if account.active < self.minimum_stake:
            raise Refused("StakeVaultInsufficientStake")
        account.member = True
        if caller not in self.seats:
            self.seats.append(caller)

    def leave(self, caller: str) -> None:
        account = self.accounts[caller]
        if not account.member:
            raise Refused("StakeVaultNotMember")
        account.member = False

    def lock(self, owner: str, amount: int) -> None:
        account = self.accounts[owner]
        if amount > account.free:
            raise Refused("StakeVaultInsufficientStake")
        account.locks += amount

    def release(self, owner: str, amount: int) -> None:
        if amount > self.accounts[owner].locks:
            raise Refused("Panic")
        self.accounts[owner].locks -= amount

    def slash(self, owner: str, amount: int, lock: int, beneficiary: str, bounty: int) -> None:
        account = self.accounts[owner]
        if bounty > amount:
            raise Refused("StakeVaultBountyExceedsSlash")
        if lock > account.locks:
            raise Refused("Panic")
        account.locks -= lock
        missing = amount - self._take_active(account, min(amount, account.free))
        kept: list[tuple[int, int]] = []
        for entry, at in reversed(account.unbondings):
            part = min(entry, missing)
            missing -= part
            if part < entry:
                kept.append((entry - part, at))
        account.unbondings = kept[::-1]
        missing -= self._take_active(account, min(missing, account.active))
        slashed = amount - missing
        paid = bounty * slashed // amount if amount else 0
        self.accounts[beneficiary].credit += paid
        self.burned += slashed - paid

    def burn(self) -> None:
        self.sent = self.burned

    def draw(self, seed: bytes, seed_block: int, size: int, excluded: set[str]) -> list[str]:
        """The committee, seat by seat: a ticket among the weights that are left, in the order of the seats."""
        left = {seat: weight for seat, weight in self._opening(seed_block).items() if seat not in excluded and weight}
        committee: list[str] = []
        while len(committee) < size and left:
            draw = keccak(encode(["bytes32", "string", "uint256"], [seed, "committee", len(committee)]))
            ticket = int.from_bytes(draw) % sum(left.values())
            ends = zip(left, accumulate(left.values()), strict=True)
            committee.append(next(seat for seat, end in ends if ticket < end))
            del left[committee[-1]]
        return committee

    def total_weight(self, seed_block: int) -> int:
        return sum(self._opening(seed_block).values())

    def _opening(self, seed_block: int) -> dict[str, int]:
        return self.openings[seed_block // self.period_blocks]

    def _weight(self, account: Account) -> int:
        counts = account.member and account.active >= self.minimum_stake
        return account.active // WEIGHT_UNIT if counts else 0

    @staticmethod
    def _take_active(account: Account, amount: int) -> int:
        account.active -= amount
        return amount


class VaultDriver(Driver):
    """Random calls to a vault and its model."""

    def __init__(self, web3: Web3, random: Random) -> None:
        super().__init__(web3, random)
        self.token = self.deploy("MeritToken", self.deployer, 10**30)
        self.vault = self.deploy("StakeVault", self.token.address, self.court, (MINIMUM, DELAY, PERIOD))
        for actor in self.actors:
            self.send(self.token.functions.transfer(actor, 10**27), self.deployer)
            self.send(self.token.functions.approve(self.vault.address, 2**256 - 1), actor)
        self.model = VaultModel(MINIMUM, DELAY, PERIOD)
        self.model.openings[0] = {}
        self.model.advance(web3.eth.block_number, web3.eth.get_block("latest")["timestamp"])

    def step(self) -> None:
        """One random call."""
        functions, random = self.vault.functions, self.random
        actor, other = random.choice(self.actors), random.choice(self.actors)
        account = self.model.accounts[actor]
        reach = account.active + sum(amount for amount, _ in account.unbondings)
        amount = self.amount(6 * MINIMUM)
        some, locked, taken = self.amount(account.free), self.amount(account.locks), self.amount(reach)
        bounty = self.amount(taken)
        calls: list[tuple[int, Any, ChecksumAddress, Any]] = [
            (8, functions.deposit(amount), actor, lambda: self.model.deposit(actor, amount)),
            (5, functions.beginUnbond(some), actor, lambda: self.model.begin_unbond(actor, some)),
            (4, functions.withdraw(), actor, lambda: self.model.withdraw(actor)),
            (8, functions.joinCommittee(), actor, lambda: self.model.join(actor)),
            (1, functions.leaveCommittee(), actor, lambda: self.model.leave(actor)),
            (4, functions.lock(actor, some), self.court, lambda: self.model.lock(actor, some)),
            (2, functions.release(actor, locked), self.court, lambda: self.model.release(actor, locked)),
            (
                4,
                functions.slash(actor, taken, locked, other, bounty),
                self.court,
                lambda: self.model.slash(actor, taken, locked, other, bounty),
            ),
            (1, functions.burn(), other, self.model.burn),
        ]
        _, call, sender, expected = random.choices(calls, weights=[weight for weight, *_ in calls])[0]
        if random.random() < 0.15:
            self.rpc("evm_increaseTime", random.randrange(1, 4) * 43_200)
        self.send_to_both(call, sender, self.model.advance, expected)

    def compare(self) -> None:
        """All books, and one draw from each period that can still be drawn from."""
        functions, model = self.vault.functions, self.model
        owed = 0
        for actor in self.actors:
            account = model.accounts[actor]
            matured = account.matured(model.now)
            unbonding = sum(amount for amount, _ in account.unbondings) - matured
            expected = (account.active, min(account.locks, account.active), unbonding, matured, account.credit)
            assert tuple(functions.stakeOf(actor).call()) == expected
            assert functions.isMember(actor).call() == account.member
            owed += account.active + unbonding + matured + account.credit
        pending = model.burned - model.sent
        assert tuple(functions.burned().call()) == (model.burned, pending)
        assert owed + model.burned + model.withdrawn == model.deposited
        assert self.token.functions.balanceOf(self.vault.address).call() == owed + pending
        assert self.token.functions.balanceOf(BURN_ADDRESS).call() == model.sent
        for seed_block in (model.block, model.block - PERIOD):
            seed = keccak(self.random.randbytes(8))
            parties = self.random.sample(self.actors, 2)
            drawn = functions.drawCommittee(seed, seed_block, 3, *parties).call(block_identifier=model.block)
            assert drawn == model.draw(seed, seed_block, 3, set(parties))
            assert functions.totalWeight(seed_block).call(block_identifier=model.block) == model.total_weight(
                seed_block
            )


@pytest.mark.chain
@pytest.mark.parametrize("seed", [1, 3])
def test_vault__random_calls__keep_the_books_of_the_model(web3: Web3, seed: int) -> None:
    driver = VaultDriver(web3, Random(seed))
    for _ in range(STEPS):
        driver.step()
        driver.compare()
    assert driver.model.burned > 0
    assert driver.model.withdrawn > 0
    assert len(driver.model.seats) > 2
