"""What the contracts' calls cost, measured on a local chain.

`python -m scripts.gas` writes `tests/contracts/gas.json`; `--check` fails when a figure has grown.
Figures are the receipts' `gasUsed`, except for the draw, which a transaction makes only as a part of `AuditCourt.draw`.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from rich.console import Console
from rich.table import Table
from web3 import Web3
from web3.contract.contract import ContractFunction
from web3.types import RPCEndpoint, Wei

from chain.contribution import Batch
from chain.deploy import deploy
from chain.errors import MeritError
from chain.localnet import DEVELOPMENT_KEY, local_chain
from chain.merkle import leaf_hash, merkle_proof, merkle_root
from chain.network import Network
from chain.parameters import LOCAL, TOKEN, Windows
from chain.typed_data import sign
from scripts.epoch_gas import measure_epochs
from scripts.source_gas import measure_sources

SNAPSHOT = Path(__file__).resolve().parent.parent / "tests" / "contracts" / "gas.json"

# What the protocol aims at; the others are bound by CALL_LIMIT alone.
LIMITS = {
    "deposit": 75_000,
    "begin_unbond": 60_000,
    "slash": 80_000,
    "record_first": 90_000,
    "record_next": 60_000,
    "commit": 55_000,
    "reveal_m4": 75_000,
    "finalize_and_settle_k5_m4": 400_000,
    "finalize_and_settle_new_edges_k5_m4": 650_000,
    "withdraw_credit": 45_000,
    "claim_depth_17": 80_000,
    "propose_epoch": 120_000,
    "challenge_row_10": 600_000,
    "adopt_reliabilities": 40_000,
}
CALL_LIMIT = 5_000_000
# The seeds are hashes of blocks: any change to the contracts draws other committees, along other paths of the tree.
_BY_LOT = {
    "draw_and_seat_k5",
    "finalize_and_settle_k5_m4",
    "finalize_and_settle_new_edges_k5_m4",
    "finalize_k5_m4",
    "largest_draw",
    "largest_finalize",
}
_LOT_MARGIN = 0.02

_OPTIONS = ("--timestamp", "1750000000", "--base-fee", "0", "--gas-price", "0", "--chain-id", "31337")
_PERIOD = 8
_REQUESTER = to_checksum_address(f"0x{'a1' * 20}")
_CONTRIBUTOR = Account.from_key(f"0x{'c0' * 32}")


class GasGrewError(MeritError):
    """A call costs more than in the snapshot, or cannot be measured."""


class Bench:
    """A deployed network on an anvil that signs for everybody."""

    def __init__(self, url: str) -> None:
        self.web3 = Web3(Web3.HTTPProvider(url))
        self._rpc("anvil_setBlockTimestampInterval", 1)
        windows = Windows(seed_delay=2, commit=10**5, disclose=10**5, reveal=10**5, appeal=1, unsampled=1)
        vault = replace(LOCAL.vault, unbonding_delay=10**7, period_blocks=_PERIOD)
        parameters = replace(LOCAL, windows=windows, vault=vault)
        self.deployer = Account.from_key(DEVELOPMENT_KEY)
        self.network = Network(self.web3, deploy(self.web3, self.deployer, parameters))
        self._rpc("anvil_autoImpersonateAccount", True)
        self.vault, self.escrow = self.network.vault.functions, self.network.escrow.functions
        self.court, self.token = self.network.court.functions, self.network.token.functions

    def send(self, sender: ChecksumAddress, call: ContractFunction) -> int:
        """Gas that `call` used, sent by `sender`."""
        sent = call.transact({"from": sender, "gas": 15_000_000, "gasPrice": Wei(0)})
        receipt = self.web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.002)
        if receipt["status"] != 1:
            raise GasGrewError(f"{call.fn_name} failed; run the contracts' tests first.")
        return int(receipt["gasUsed"])

    def hurry(self, sender: ChecksumAddress, call: ContractFunction) -> None:
        """Send `call` without waiting for its receipt, for a block that somebody mines."""
        transaction = {"from": sender, "to": call.address, "data": call._encode_transaction_data(), "gas": "0xf4240"}
        self._rpc("eth_sendTransaction", {**transaction, "gasPrice": "0x0"})

    def mine(self, blocks: int) -> None:
        """Mine empty blocks, a second apart."""
        self._rpc("anvil_mine", hex(blocks))

    def mine_by_itself(self, on: bool) -> None:
        """Whether every transaction makes a block."""
        self._rpc("evm_setAutomine", on)

    def fund(self, account: ChecksumAddress, spender: ChecksumAddress, amount: int) -> None:
        """Give `account` tokens that `spender` may pull."""
        self.send(self.deployer.address, self.token.transfer(account, amount))
        self.send(account, self.token.approve(spender, 2**256 - 1))

    def now(self) -> int:
        """The latest block's timestamp."""
        return int(self.web3.eth.get_block("latest")["timestamp"])

    def _rpc(self, method: str, *parameters: Any) -> None:
        answer = self.web3.provider.make_request(RPCEndpoint(method), parameters)
        if "error" in answer:
            raise GasGrewError(f"anvil refused {method}: {answer['error']}.")


def measure(url: str) -> dict[str, int]:
    """Every figure of the snapshot, by name."""
    bench = Bench(url)
    figures: dict[str, int] = {}
    _measure_vault(bench, figures)
    _join_members(bench, range(32))
    job = _open_job(bench, {"committeeSize": 5, "samples": 4, "words": 1})
    _measure_audit(bench, job, "_new_edges", figures)
    _credit_members(bench, job)
    _measure_audit(bench, job, "", figures)  # of a pair that has dealt before; its verifiers have credit, too
    _measure_second_batch(bench, job, figures)
    figures["withdraw_credit"] = bench.send(_CONTRIBUTOR.address, bench.escrow.withdraw())
    _measure_claim(bench, figures)
    _measure_largest(bench, figures)
    figures |= measure_sources(bench, _open_job(bench, {"committeeSize": 5, "samples": 4, "words": 1}))
    _join_members(bench, range(32, 1_024))
    _measure_draws(bench, figures)
    return figures


def _measure_vault(bench: Bench, figures: dict[str, int]) -> None:
    vault, court = bench.network.vault.address, bench.network.court.address
    for account in (_REQUESTER, _CONTRIBUTOR.address):
        # The first deposit of an account, into a vault that holds tokens; it keeps some for itself.
        bench.fund(account, vault, 10**6 * TOKEN)
        figures["deposit"] = bench.send(account, bench.vault.deposit(900_000 * TOKEN))
    figures["begin_unbond"] = bench.send(_CONTRIBUTOR.address, bench.vault.beginUnbond(TOKEN))
    bench.send(court, bench.vault.lock(_CONTRIBUTOR.address, 2 * TOKEN))
    slash = bench.vault.slash(_CONTRIBUTOR.address, TOKEN, TOKEN, _REQUESTER, TOKEN // 2)
    bench.send(court, slash)
    figures["slash"] = bench.send(court, slash)


def _join_members(bench: Bench, numbers: range) -> None:
    vault, stake = bench.network.vault.address, 1_000 * TOKEN
    bench.mine_by_itself(False)  # or what shares a block, and so what a draw costs, hangs on the machine's load
    for number in numbers:
        account = _member(number)
        bench.hurry(bench.deployer.address, bench.token.transfer(account, stake))
        bench.hurry(account, bench.token.approve(vault, stake))
        bench.hurry(account, bench.vault.deposit(stake))
        bench.hurry(account, bench.vault.joinCommittee())
        bench.mine(1)
    bench.mine_by_itself(True)
    bench.mine(2 * _PERIOD)
    if bench.vault.totalWeight(bench.web3.eth.block_number).call() < len(numbers) * stake // 10**9:
        raise GasGrewError("Not every member could join; run the contracts' tests first.")


def _credit_members(bench: Bench, job: int) -> None:
    court = bench.network.court.address
    bench.send(court, bench.escrow.reserve(job, 20))
    for number in range(32):
        bench.send(court, bench.escrow.settle(job, _member(number), 1, 0))


def _member(number: int) -> ChecksumAddress:
    return to_checksum_address(keccak(encode(["string", "uint256"], ["member", number]))[:20])


def _measure_draws(bench: Bench, figures: dict[str, int]) -> None:
    seed_block = bench.web3.eth.block_number
    for name, size in {"draw_k5_n1024": 5, "draw_k23_n1024": 23}.items():
        draw = bench.vault.drawCommittee(b"\x01" * 32, seed_block, size, _CONTRIBUTOR.address, _REQUESTER)
        figures[name] = int(draw.estimate_gas({"from": _REQUESTER, "gasPrice": Wei(0)}))


def _open_job(bench: Bench, audit: dict[str, int]) -> int:
    bench.fund(_REQUESTER, bench.network.escrow.address, 1_000 * TOKEN)
    words = audit["words"]
    terms = {
        "kind": 0,
        "price": TOKEN,
        "auditFee": 5 * TOKEN,
        "slashPerUnit": 20 * TOKEN,
        "auditRateFloor": 10_000,
        "auditRateCeiling": 10_000,
        "tau": 60 * words,
        "soft": 60 * words,
        "hard": 90 * words,
        "expiry": 2**40,
        "specification": keccak(text="specification"),
        **audit,
    }
    bench.send(_REQUESTER, bench.escrow.open(terms, 1_000 * TOKEN))
    return int(bench.escrow.jobCount().call())


def _next_batch(bench: Bench, job: int, first: int | None = None) -> tuple[Batch, bytes]:
    batch = Batch(
        job_id=job,
        contributor=_CONTRIBUTOR.address,
        first=bench.court.nextLeaf(job, _CONTRIBUTOR.address).call() if first is None else first,
        count=20,
        units=20,
        leaves_root=keccak(text="leaves"),
        data_hash=keccak(text="data"),
        deadline=2**40,
    )
    return batch, sign(_CONTRIBUTOR, bench.network.domain.batch(batch))


def _measure_audit(bench: Bench, job: int, suffix: str, figures: dict[str, int]) -> None:
    """One audit with k = 5 and m = 4, all honest, from the record to the settlement."""
    batch, signature = _next_batch(bench, job)
    record = bench.send(_REQUESTER, bench.court.record([batch.as_tuple()], [signature]))
    draw, finalize, commits, disclosure, reveals = _run_audit(bench, batch, samples=4, words=1)
    bench.mine(2)
    settle = bench.send(_REQUESTER, bench.court.settle(batch.as_tuple()))
    figures[f"record_first{suffix}"] = record
    figures[f"finalize_and_settle{suffix}_k5_m4"] = finalize + settle
    if not suffix:
        figures.update(
            draw_and_seat_k5=draw,
            commit=max(commits),
            disclose_m4=disclosure,
            reveal_m4=max(reveals),
            finalize_k5_m4=finalize,
            settle=settle,
        )


def _measure_second_batch(bench: Bench, job: int, figures: dict[str, int]) -> None:
    """What one more batch adds to a call that records two."""
    first, first_signature = _next_batch(bench, job)
    second, second_signature = _next_batch(bench, job, first.first + first.count)
    one = bench.court.record([first.as_tuple()], [first_signature])
    both = bench.court.record([first.as_tuple(), second.as_tuple()], [first_signature, second_signature])
    alone, together = (int(call.estimate_gas({"from": _REQUESTER, "gasPrice": Wei(0)})) for call in (one, both))
    figures["record_next"] = together - alone


def _run_audit(bench: Bench, batch: Batch, samples: int, words: int) -> tuple[int, int, list[int], int, list[int]]:
    """Gas of the draw, the finalization, every commit, the disclosure and every reveal."""
    batch_id = bench.court.hashBatch(batch.as_tuple()).call()
    bench.mine(3)
    draw = bench.send(_REQUESTER, bench.court.draw(batch.as_tuple()))
    event = bench.network.court.events.Drawn().get_logs(from_block="latest")[-1]["args"]
    committee: Sequence[ChecksumAddress] = event["committee"]
    digests = [int.from_bytes(keccak(encode(["uint256"], [i])), "big") for i in range(samples * words)]
    verdicts, opened, payload, salt = [1] * samples, 2**samples - 1, bytes(32), keccak(text="salt")
    commits = []
    for verifier in committee:
        commitment = bench.court.commitmentOf(batch_id, 0, verifier, digests, verdicts, payload, salt).call()
        commits.append(bench.send(verifier, bench.court.commit(batch_id, commitment)))
    openings = keccak(text="openings")
    disclosure = bench.send(_CONTRIBUTOR.address, bench.court.disclose(batch.as_tuple(), digests, openings))
    reveal: Callable[[], ContractFunction] = lambda: bench.court.reveal(  # noqa: E731
        batch_id, digests, verdicts, opened, payload, salt
    )
    reveals = [bench.send(verifier, reveal()) for verifier in committee]
    given = [(digests, verdicts, opened, payload)] * len(committee)
    finalize = bench.send(_REQUESTER, bench.court.finalize(batch.as_tuple(), event["seed"], committee, given, digests))
    return draw, finalize, commits, disclosure, reveals


def _measure_claim(bench: Bench, figures: dict[str, int]) -> None:
    """A share among 2^17, of an account that has had credit before."""
    court, batch_id = bench.network.court.address, keccak(text="shared")
    job = _open_job(bench, {"committeeSize": 5, "samples": 4, "words": 1})
    bench.send(court, bench.escrow.reserve(job, 20))
    bench.send(court, bench.escrow.settle(job, _CONTRIBUTOR.address, TOKEN, 0))
    share = leaf_hash(encode(["bytes32", "address", "uint256"], [batch_id, _CONTRIBUTOR.address, TOKEN]))
    leaves = [share, *(keccak(encode(["uint256"], [i])) for i in range(2**17 - 1))]
    bench.send(court, bench.escrow.fillPot(job, batch_id, merkle_root(leaves), 10 * TOKEN))
    claim = bench.escrow.claim(batch_id, _CONTRIBUTOR.address, TOKEN, merkle_proof(leaves, 0))
    figures["claim_depth_17"] = bench.send(_REQUESTER, claim)


def _measure_largest(bench: Bench, figures: dict[str, int]) -> None:
    """The largest audit that a job can ask for: 21 seats, 12 leaves, 2 words."""
    job = _open_job(bench, {"committeeSize": 21, "samples": 12, "words": 2})
    batch, signature = _next_batch(bench, job)
    bench.send(_REQUESTER, bench.court.record([batch.as_tuple()], [signature]))
    draw, finalize, _, disclosure, reveals = _run_audit(bench, batch, samples=12, words=2)
    figures.update(
        largest_draw=draw, largest_disclose=disclosure, largest_reveal=max(reveals), largest_finalize=finalize
    )


def check(figures: dict[str, int], snapshot: dict[str, int]) -> None:
    """Compare figures with the snapshot, and with what any call may need.

    Raises:
        GasGrewError: one of them is larger.
    """
    problems = [
        f"{name} costs {gas:,}, {gas - snapshot[name]:,} more than in the snapshot"
        for name, gas in figures.items()
        if gas > snapshot.get(name, gas) * (1 + _LOT_MARGIN * (name in _BY_LOT))
    ]
    problems += [
        f"{name} costs {gas:,}, which no call may"
        for name, gas in figures.items()
        if gas > CALL_LIMIT and not name.endswith("_total")  # of several calls
    ]
    if figures.keys() != snapshot.keys():
        problems.append("the snapshot holds other calls")
    if problems:
        raise GasGrewError("; ".join(problems) + ". If that is meant, run `make gas` and commit the snapshot.")


def main() -> None:
    """Entry point of `python -m scripts.gas`."""
    parser = argparse.ArgumentParser(prog="python -m scripts.gas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the snapshot instead of writing it")
    arguments = parser.parse_args()
    with local_chain(*_OPTIONS) as url:
        figures = dict(sorted({**measure(url), **measure_epochs()}.items()))
    _show(figures)
    try:
        if arguments.check:
            check(figures, json.loads(SNAPSHOT.read_text(encoding="utf-8")))
        else:
            SNAPSHOT.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
            check(figures, figures)
    except MeritError as error:
        raise SystemExit(str(error)) from error


def _show(figures: dict[str, int]) -> None:
    table = Table("call", "gas", "limit", "met")
    for name, gas in figures.items():
        limit = LIMITS.get(name, CALL_LIMIT)
        of_several = name.endswith("_total")
        table.add_row(name, f"{gas:,}", "" if of_several else f"{limit:,}", "" if of_several or gas <= limit else "NO")
    Console(stderr=True).print(table)


if __name__ == "__main__":
    main()
