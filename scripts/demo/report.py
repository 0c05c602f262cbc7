"""What the demonstration came to. Every figure is read from the chain."""

from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from eth_typing import ChecksumAddress
from eth_utils.address import to_checksum_address

from chain.events import EventLog
from chain.network import Network

BURN_ADDRESS = to_checksum_address("0x" + "0" * 36 + "dEaD")
_KINDS = ("inference", "training", "retrieval")
_OUTCOMES = ("none", "unsampled", "pass", "refunded", "refunded", "fraud", "refunded", "refunded")


@dataclass(frozen=True)
class BatchReport:
    """One settled batch; `outcome` is pass, fraud, refunded or unsampled."""

    id: str
    kind: str
    contributor: ChecksumAddress
    outcome: str


@dataclass(frozen=True)
class Conservation:
    """Token units: what went into the contracts and did not come out again, what they hold, what was burned."""

    deposited: int
    held: int
    burned: int


@dataclass(frozen=True)
class Report:
    """Amounts in token units by account; reputation as of the last final epoch."""

    batches: list[BatchReport]
    credits: dict[ChecksumAddress, int]
    slashed: dict[ChecksumAddress, int]
    reputation: dict[ChecksumAddress, float]
    conservation: Conservation

    def as_json(self) -> dict[str, Any]:
        """The object that `merit demo --json` prints."""
        return asdict(self)


def read_report(network: Network, accounts: list[ChecksumAddress]) -> Report:
    """Everything since the deployment."""
    log = EventLog(network)
    batches: dict[bytes, BatchReport] = {}
    kinds: dict[int, str] = {}
    slashed: dict[ChecksumAddress, int] = defaultdict(int)
    withdrawn: dict[ChecksumAddress, int] = defaultdict(int)
    for event in log.fetch(network.deployment.block, network.web3.eth.block_number):
        args = event.args
        match event.contract, event.name:
            case "JobEscrow", "JobOpened":
                kinds[args["jobId"]] = _KINDS[args["terms"]["kind"]]
            case "AuditCourt", "Recorded":
                batch_id, batch = args["batchId"], args["batch"]
                batches[batch_id] = BatchReport(
                    "0x" + batch_id.hex(), kinds[batch["jobId"]], batch["contributor"], "pending"
                )
            case "AuditCourt", "Settled":
                recorded = batches[args["batchId"]]
                batches[args["batchId"]] = BatchReport(
                    recorded.id, recorded.kind, recorded.contributor, _OUTCOMES[args["outcome"]]
                )
            case "StakeVault", "Slashed":
                slashed[args["account"]] += args["slashed"]
            case "JobEscrow", "Withdrawn":
                withdrawn[args["account"]] += args["amount"]
    return Report(
        batches=list(batches.values()),
        credits={
            account: network.escrow.functions.creditOf(account).call() + withdrawn[account] for account in accounts
        },
        slashed={account: slashed[account] for account in accounts},
        reputation={account: network.oracle.functions.reputationOf(account).call() / 1e18 for account in accounts},
        conservation=_conservation(network),
    )


def _conservation(network: Network) -> Conservation:
    """From the token's own transfers, so that the contracts' bookkeeping is checked against something else."""
    holders = [network.vault.address, network.escrow.address, network.oracle.address]
    transfers = network.token.events.Transfer()
    deposited = 0
    for log in transfers.get_logs(from_block=network.deployment.block):
        source, target, value = log["args"]["from"], log["args"]["to"], log["args"]["value"]
        deposited += value * ((target in holders) - (source in holders and target != BURN_ADDRESS))
    return Conservation(
        deposited=deposited,
        held=sum(network.token.functions.balanceOf(holder).call() for holder in holders),
        burned=network.token.functions.balanceOf(BURN_ADDRESS).call(),
    )
