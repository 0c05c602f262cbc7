"""Random calls to the escrow on a chain and to a model of it; the books are compared after every one of them."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_typing import ChecksumAddress
from web3 import Web3

from chain.job_terms import Kind, Terms
from chain.merkle import leaf_hash, merkle_proof, merkle_root
from scoring.economics import ONE, cheating_never_pays
from tests.integration.books.driver import Driver, Refused

CLAIM_WINDOW = 30 * 86_400
DETECTION = 9_000
FEE_RATE = 500
TOKEN = 10**18
STEPS = 100


@dataclass
class Job:
    """A job's terms and money."""

    owner: str
    terms: Terms
    free: int
    reserved: int = 0
    closed: bool = False


@dataclass
class Pot:
    """What an allocation root may still pay out, and which shares it promised."""

    job: Job
    left: int
    until: int
    shares: dict[str, int]
    claimed: set[str] = field(default_factory=set)
    endorsed: set[str] = field(default_factory=set)


@dataclass
class EscrowModel:
    """The escrow by its rules: what each call must do to the books, or which error it must end in."""

    collector: str
    jobs: list[Job] = field(default_factory=list)
    pots: dict[bytes, Pot] = field(default_factory=dict)
    credit: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    detection: int = DETECTION
    deposited: int = 0
    withdrawn: int = 0
    now: int = 0

    def advance(self, block: int, now: int) -> None:
        self.now = now

    def set_detection(self, detection: int) -> None:
        if not 0 < detection <= ONE:
            raise Refused("JobEscrowInvalidDetection")
        self.detection = detection

    def open(self, caller: str, terms: Terms, amount: int) -> None:
        floor = terms.audit_rate_floor if terms.kind is Kind.INFERENCE else ONE
        if not cheating_never_pays(floor, terms.price, terms.slash_per_unit, self.detection):
            raise Refused("JobEscrowCheatingPays")
        if amount == 0:
            raise Refused("JobEscrowZeroAmount")
        self.jobs.append(Job(caller, terms, amount))
        self.deposited += amount

    def top_up(self, job: Job, amount: int) -> None:
        self._check_live(job)
        if amount == 0:
            raise Refused("JobEscrowZeroAmount")
        job.free += amount
        self.deposited += amount

    def close(self, caller: str, job: Job) -> None:
        if job.closed:
            raise Refused("JobEscrowClosed")
        if caller != job.owner and self.now < job.terms.expiry:
            raise Refused("JobEscrowNotOwner")
        self.credit[job.owner] += job.free
        job.free, job.closed = 0, True

    def reserve(self, job: Job, units: int) -> None:
        self._check_live(job)
        amount = units * job.terms.price + job.terms.audit_fee
        if amount > job.free:
            raise Refused("JobEscrowInsufficientFunds")
        job.free -= amount
        job.reserved += amount

    def pay_fees(self, job: Job, verifiers: list[str], pool: int) -> None:
        self._unreserve(job, pool)
        left = pool
        if verifiers:
            fee = pool * FEE_RATE // ONE
            each = (pool - fee) // len(verifiers)
            self.credit[self.collector] += fee
            for verifier in verifiers:
                self.credit[verifier] += each
            left -= fee + each * len(verifiers)
        self._give_back(job, left)

    def settle(self, job: Job, account: str, paid: int, returned: int) -> None:
        self._unreserve(job, paid + returned)
        self.credit[account] += paid
        self._give_back(job, returned)

    def fill_pot(self, job: Job, batch_id: bytes, shares: dict[str, int], amount: int) -> None:
        self._unreserve(job, amount)
        self.pots[batch_id] = Pot(job, amount, self.now + CLAIM_WINDOW, shares)

    def claim(self, batch_id: bytes, account: str, amount: int) -> None:
        pot = self.pots[batch_id]
        if amount == 0 or pot.shares[account] != amount:
            raise Refused("JobEscrowInvalidProof")
        if account in pot.claimed:
            raise Refused("JobEscrowAlreadyClaimed")
        if amount > pot.left:
            raise Refused("JobEscrowPotExhausted")
        pot.left -= amount
        pot.claimed.add(account)
        self.credit[account] += amount

    def endorse(self, batch_id: bytes, account: str) -> None:
        pot = self.pots[batch_id]
        if account not in pot.claimed or account in pot.endorsed:
            raise Refused("JobEscrowNothingToEndorse")
        pot.endorsed.add(account)

    def return_pot(self, batch_id: bytes) -> None:
        pot = self.pots[batch_id]
        if self.now < pot.until:
            raise Refused("JobEscrowClaimsStillOpen")
        if pot.left == 0:
            raise Refused("JobEscrowZeroAmount")
        self._give_back(pot.job, pot.left)
        pot.left = 0

    def withdraw(self, caller: str) -> None:
        if self.credit[caller] == 0:
            raise Refused("JobEscrowNothingToWithdraw")
        self.withdrawn += self.credit[caller]
        self.credit[caller] = 0

    def owed(self) -> int:
        """Everything that the escrow must hold."""
        jobs = sum(job.free + job.reserved for job in self.jobs)
        return jobs + sum(pot.left for pot in self.pots.values()) + sum(self.credit.values())

    def _check_live(self, job: Job) -> None:
        if job.closed:
            raise Refused("JobEscrowClosed")
        if self.now >= job.terms.expiry:
            raise Refused("JobEscrowExpired")

    def _unreserve(self, job: Job, amount: int) -> None:
        if amount > job.reserved:
            raise Refused("JobEscrowInsufficientFunds")
        job.reserved -= amount

    def _give_back(self, job: Job, amount: int) -> None:
        if job.closed:
            self.credit[job.owner] += amount
        else:
            job.free += amount


class EscrowDriver(Driver):
    """Random calls to an escrow and its model; the deployer governs, and the fees go to an account of their own."""

    def __init__(self, web3: Web3, random: Random) -> None:
        super().__init__(web3, random)
        self.collector = web3.eth.accounts[8]
        self.token = self.deploy("MeritToken", self.deployer, 10**30)
        manager = self.deploy("AccessManager", self.deployer)
        parties = (self.token.address, self.court, self.collector, manager.address)
        self.escrow = self.deploy("JobEscrow", *parties, CLAIM_WINDOW, DETECTION, FEE_RATE)
        for actor in self.actors:
            self.send(self.token.functions.transfer(actor, 10**27), self.deployer)
            self.send(self.token.functions.approve(self.escrow.address, 2**256 - 1), actor)
        self.model = EscrowModel(self.collector)
        self.ended: defaultdict[str, int] = defaultdict(int)

    def step(self) -> None:
        """One random call; before the first job, that one is opened."""
        functions, random = self.escrow.functions, self.random
        if random.random() < 0.1:
            self.rpc("evm_increaseTime", random.randrange(1, 4) * 8 * 86_400)
        makers = [(6, self._open), (1, self._set_detection), (3, self._withdraw)]
        if self.model.jobs:
            makers += [(3, self._top_up), (2, self._close), (9, self._reserve), (4, self._pay_fees), (5, self._settle)]
            makers += [(4, self._fill_pot)]
        if self.model.pots:
            makers += [(8, self._claim), (3, self._endorse), (3, self._return_pot)]
        maker = random.choices([maker for _, maker in makers], weights=[weight for weight, _ in makers])[0]
        call, sender, expected = maker(functions)
        self.send_to_both(call, sender, self.model.advance, expected)
        self.ended[call.fn_name] += 1

    def compare(self) -> None:
        """All books: jobs, pots, credit, and the tokens that are there."""
        functions, model = self.escrow.functions, self.model
        for number, job in enumerate(model.jobs, 1):
            _, free, reserved, owner, closed = functions.jobOf(number).call()
            assert (free, reserved, owner, closed) == (job.free, job.reserved, job.owner, job.closed)
        for batch_id, pot in model.pots.items():
            assert functions.potOf(batch_id).call()[1] == pot.left
        for account in (*self.actors, self.collector):
            assert functions.creditOf(account).call() == model.credit[account]
        assert functions.detection().call() == model.detection
        held = self.token.functions.balanceOf(self.escrow.address).call()
        assert held == model.owed() == model.deposited - model.withdrawn

    _Call = tuple[Any, ChecksumAddress, Callable[[], None]]

    def _open(self, functions: Any) -> _Call:
        actor, random = self.random.choice(self.actors), self.random
        price = random.randrange(1, 3 * TOKEN)
        floor = random.randrange(500, ONE)
        # About the slash at which cheating begins to pay.
        edge = price * (ONE * ONE - floor * self.model.detection) // (floor * self.model.detection)
        terms = Terms(
            kind=random.choice(list(Kind)),
            price=price,
            audit_fee=random.randrange(1, 9 * TOKEN),
            slash_per_unit=max(0, edge + random.choice([-1, 0, 1, edge // 500, -(edge // 500), 20 * price])),
            audit_rate_floor=floor,
            audit_rate_ceiling=ONE,
            committee_size=3,
            samples=1,
            words=1,
            tau=1,
            soft=1,
            hard=2,
            expiry=self.web3.eth.get_block("latest")["timestamp"] + random.randrange(10, 90) * 86_400,
            specification=random.randbytes(32),
        )
        amount = self.amount(400 * TOKEN)
        return functions.open(terms.as_tuple(), amount), actor, lambda: self.model.open(actor, terms, amount)

    def _set_detection(self, functions: Any) -> _Call:
        detection = self.random.choice([0, 1, ONE, ONE + 1, DETECTION, DETECTION])
        return functions.setDetection(detection), self.deployer, lambda: self.model.set_detection(detection)

    def _withdraw(self, functions: Any) -> _Call:
        actor = self.random.choice([*self.actors, self.collector])
        return functions.withdraw(), actor, lambda: self.model.withdraw(actor)

    def _top_up(self, functions: Any) -> _Call:
        number, job = self._job()
        amount = self.amount(50 * TOKEN)
        return functions.topUp(number, amount), self.random.choice(self.actors), lambda: self.model.top_up(job, amount)

    def _close(self, functions: Any) -> _Call:
        number, job = self._job()
        caller = self.random.choice(self.actors)
        return functions.close(number), caller, lambda: self.model.close(caller, job)

    def _reserve(self, functions: Any) -> _Call:
        number, job = self._job()
        units = self.amount(max(1, job.free // (4 * job.terms.price)))
        return functions.reserve(number, units), self.court, lambda: self.model.reserve(job, units)

    def _pay_fees(self, functions: Any) -> _Call:
        number, job = self._job()
        verifiers, pool = self.random.sample(self.actors, self.random.randrange(4)), self.amount(job.reserved)
        call = functions.payFees(number, verifiers, pool)
        return call, self.court, lambda: self.model.pay_fees(job, list(verifiers), pool)

    def _settle(self, functions: Any) -> _Call:
        number, job = self._job()
        account, paid = self.random.choice(self.actors), self.amount(job.reserved)
        returned = self.amount(max(0, job.reserved - paid))
        call = functions.settle(number, account, paid, returned)
        return call, self.court, lambda: self.model.settle(job, account, paid, returned)

    def _fill_pot(self, functions: Any) -> _Call:
        number, job = self._job()
        amount, batch_id = self.amount(job.reserved), self.random.randbytes(32)
        # Sometimes a committee promises more than there is.
        shares: dict[str, int] = {actor: self.amount(amount // 3) for actor in self.actors}
        root = merkle_root(_leaves(batch_id, shares))
        call = functions.fillPot(number, batch_id, root, amount)
        return call, self.court, lambda: self.model.fill_pot(job, batch_id, shares, amount)

    def _claim(self, functions: Any) -> _Call:
        batch_id, account = self._share()
        shares = self.model.pots[batch_id].shares
        amount = shares[account] + self.random.choice([0, 0, 0, 1])
        proof = merkle_proof(_leaves(batch_id, shares), list(shares).index(account))
        call = functions.claim(batch_id, account, amount, proof)
        return call, self.random.choice(self.actors), lambda: self.model.claim(batch_id, account, amount)

    def _endorse(self, functions: Any) -> _Call:
        batch_id, account = self._share()
        return functions.endorse(batch_id, account), self.court, lambda: self.model.endorse(batch_id, account)

    def _return_pot(self, functions: Any) -> _Call:
        batch_id, _ = self._share()
        return (
            functions.returnPot(batch_id),
            self.random.choice(self.actors),
            lambda: self.model.return_pot(batch_id),
        )

    def _job(self) -> tuple[int, Job]:
        number = self.random.randrange(len(self.model.jobs))
        return number + 1, self.model.jobs[number]

    def _share(self) -> tuple[bytes, ChecksumAddress]:
        return self.random.choice(list(self.model.pots)), self.random.choice(self.actors)


def _leaves(batch_id: bytes, shares: dict[str, int]) -> list[bytes]:
    return [
        leaf_hash(encode(["bytes32", "address", "uint256"], [batch_id, account, amount]))
        for account, amount in shares.items()
    ]


@pytest.mark.chain
@pytest.mark.parametrize("seed", [1, 2])
def test_escrow__random_calls__keep_the_books_of_the_model(web3: Web3, seed: int) -> None:
    driver = EscrowDriver(web3, Random(seed))
    for _ in range(STEPS):
        driver.step()
        driver.compare()
    assert len(driver.ended) == 12, "every call has been tried"
    assert driver.model.withdrawn > 0
