"""What each custom error of the contracts means to the person who caused it, as one sentence that says what to do."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from eth_utils.address import is_address, to_checksum_address

_AMOUNTS = {"available", "needed", "amount", "received", "bounty"}
_TIMES = {"deadline", "notBefore", "until", "expiry", "openUntil", "maturesAt"}
_BASIS_POINTS = {"JobEscrowCheatingPays": {"caught", "needed"}}

SENTENCES = {
    # StakeVault
    "StakeVaultInsufficientStake": "{account} has {available} of stake for this, but {needed} is needed; deposit more with `merit stake deposit`.",
    "StakeVaultZeroAmount": "The amount is zero; name a positive one.",
    "StakeVaultTooManyUnbondings": "{account} has {limit} unbondings under way, the most there can be; withdraw what has matured, or wait.",
    "StakeVaultNothingToWithdraw": "{account} has nothing to withdraw yet; `merit status` shows when its unbonding matures.",
    "StakeVaultAlreadyMember": "{account} is a committee member already; nothing is left to do.",
    "StakeVaultNotMember": "{account} is not a committee member; join with `merit verifier join`.",
    "StakeVaultSnapshotGone": "The draw came too late for the weights at block {seedBlock}; draw again, and the seed is armed anew.",
    "StakeVaultNotCourt": "{caller} is not the audit court; only the court may do this.",
    "TokenIntakeUnsupportedToken": "The token moved {received} when it was asked for {amount}; deploy Merit with one that takes no fee.",
    # JobEscrow
    "JobEscrowUnknownJob": "There is no job {jobId}; check the number.",
    "JobEscrowNotOwner": "{caller} does not own job {jobId}; sign with the key that opened it.",
    "JobEscrowClosed": "Job {jobId} is closed; submit to an open one.",
    "JobEscrowExpired": "Job {jobId} expired at {expiry}; submit to an open one.",
    "JobEscrowZeroAmount": "The amount is zero; name a positive one.",
    "JobEscrowAmountTooLarge": "The amount is larger than the contracts can hold; name a smaller one.",
    "JobEscrowInsufficientFunds": "Job {jobId} has {available} left, but this needs {needed}; top it up, or submit less.",
    "JobEscrowNothingToWithdraw": "{account} has no credit to withdraw.",
    "JobEscrowInvalidTerms": "The job's terms are out of range at {field}; correct it and open the job again.",
    "JobEscrowCheatingPays": "Under these terms cheating pays: a faked leaf is caught in {caught} of cases, and {needed} is needed; raise the audit rate or the stake demanded.",
    "JobEscrowInvalidProof": "The proof does not show a share of {amount} for {account} in this batch; ask for the batch's allocation again.",
    "JobEscrowAlreadyClaimed": "{account} has claimed its share of this batch already.",
    "JobEscrowClaimsStillOpen": "Shares of this batch can be claimed until {until}; return the rest after that.",
    # AuditCourt
    "AuditCourtWrongPhase": "The batch is in another phase of its audit than this call needs; `merit why` shows where it stands.",
    "AuditCourtTooEarly": "It is too early for this; try again at {notBefore}.",
    "AuditCourtTooLate": "It is too late for this: the deadline was {deadline}.",
    "AuditCourtEmptyBatch": "The batch has no leaves or no units; add work before recording it.",
    "AuditCourtSignatureExpired": "The contributor's signature expired at {deadline}; sign the batch again.",
    "AuditCourtInvalidSignature": "The signature is not {contributor}'s; sign the batch with the contributor's key, for this chain and this deployment.",
    "AuditCourtSelfDealing": "{account} opened this job and cannot contribute to it; use another account.",
    "AuditCourtUnexpectedFirst": "The batch starts with leaf {given}, but the next leaf of {contributor} in job {jobId} is {expected}; number it so and sign again.",
    "AuditCourtSeedNotReady": "The seed of this draw is the hash of block {seedBlock}, which is not mined yet; try again after it.",
    "AuditCourtNotSeated": "{account} was not drawn for this audit; only its committee may act.",
    "AuditCourtAlreadyCommitted": "{verifier} has committed in this audit already; a commitment cannot be changed.",
    "AuditCourtNotCommitted": "{verifier} has no commitment to reveal in this audit.",
    "AuditCourtCommitmentMismatch": "What {verifier} reveals is not what it committed to; reveal exactly that.",
    "AuditCourtNotContributor": "{caller} is not the contributor of this batch; sign with the contributor's key.",
    "AuditCourtNotRequester": "{caller} is not the requester of this batch; sign with the key that opened the job.",
    "AuditCourtNotAppealable": "This outcome cannot be appealed: a contributor may appeal against fraud, a requester against a pass.",
    "AuditCourtAppealsExhausted": "The batch has had all the appeals there are; the outcome stands.",
    # ReputationOracle and FeedbackGraph
    "FeedbackGraphEpochOpen": "Epoch {epoch} is open until {openUntil}; close it after that.",
    "FeedbackGraphEpochUnsettled": "The scores of epoch {epoch} are not final yet; wait for them before closing the next.",
    "ReputationOracleWrongEpoch": "Scores can be proposed for epoch {lastClosed} only, the one closed last, not for {epoch}.",
    "ReputationOracleAlreadyProposed": "Epoch {epoch} has a proposal already; verify it with `merit epoch verify`.",
    "ReputationOracleTooLate": "Scores for this epoch were accepted until {until}; wait for the next one.",
    "ReputationOracleWindowOpen": "The proposal can be challenged until {until}; finalize it after that.",
    "ReputationOracleWrongParameters": "The parameters have changed since these scores were computed; compute them again.",
    "ReputationOracleInvalidProof": "Row {index} is not in the scores of epoch {epoch}; ask for its proof again.",
    "ReputationOracleStaleScore": "{account} has a score of a newer epoch in place; nothing is left to do.",
    "ReputationOracleNotLive": "The scores of epoch {epoch} are not up for challenge; only a live proposal is.",
    "ReputationOracleDisputesOpen": "{count} questions to the proposer are open; the scores become final after them.",
    "ReputationOracleWrongRowCount": "The proposal has {given} rows and the graph {nodeCount} accounts; read the graph again.",
    "ReputationOracleProposalLive": "Scores of epoch {epoch} are up for challenge; change the parameters after them.",
    "ReputationOracleNothingToWithdraw": "{account} has no credit to withdraw.",
    "ReputationOracleNoFault": "The challenge shows no fault: the rows satisfy their equation; nothing was lost.",
    "ReputationOracleWrongNeighbor": "The next in-neighbour to show is {expected}, not {given}; show them in the graph's order.",
    "ReputationOracleTooManyNeighbors": "The challenge shows more in-neighbours than the account has; show each once.",
    "ReputationOracleNotProposer": "{caller} did not propose these scores; only the proposer answers.",
    "ReputationOracleAlreadyDisputed": "This question has been put to the proposer already; wait for the answer.",
    "ReputationOracleNotDisputed": "This question has not been put to the proposer; ask it first.",
    "ReputationOracleStillAnswerable": "The proposer may answer until {deadline}; try again after that.",
    "ReputationOracleWrongAnswer": "The answer does not match the question; recompute it from the epoch's edges.",
    # SourceRegistry
    "SourceRegistryUnknownSource": "There is no source {sourceId}; check the number.",
    "SourceRegistryNotOwner": "{caller} does not own source {sourceId}; sign with the key that registered it.",
    "SourceRegistryNotActive": "Source {sourceId} was retired or slashed; register another.",
    "SourceRegistryAlreadySlashed": "Source {sourceId} has been slashed for another answer; that happens once.",
    "SourceRegistryEmptyCorpus": "The corpus has no passages; add text to it.",
    "SourceRegistryEndpointTooLong": "The endpoint has {length} bytes, more than {limit}; name a shorter one.",
    "SourceRegistryNotAnswered": "The owner of source {sourceId} did not sign this answer; show it as it was received.",
    "SourceRegistryInsideCommitment": "Passage {position} is one that source {sourceId} committed to; nothing is wrong with the answer.",
    "SourceRegistryNotAdoptable": "This batch does not follow the reliabilities that stand; adopt the settled windows of the network's retrieval job in their order.",
    "SourceRegistryInvalidProof": "A reliability of {reliability} for source {sourceId} is not what was adopted last; ask for the proof again.",
    # OpenZeppelin
    "ERC20InsufficientBalance": "{sender} holds {balance} tokens, but {needed} are needed; get more first.",
    "ERC20InsufficientAllowance": "{spender} may move {allowance} of your tokens, but {needed} are needed; approve it first.",
    "EnforcedPause": "The contracts are paused for new work; withdrawals and running audits go on.",
    "AccessManagedUnauthorized": "{caller} has no role that allows this; ask the network's operator.",
}


def revert_sentence(name: str, arguments: dict[str, Any]) -> str:
    """The sentence for a custom error; errors that only a program can cause are named with their arguments."""
    readable = {key: _readable(name, key, value) for key, value in arguments.items()}
    template = SENTENCES.get(name)
    if template is not None:
        return template.format(**readable)
    listed = ", ".join(f"{key} = {value}" for key, value in readable.items())
    return f"The contract refused the call: {name}({listed})."


def _readable(error: str, key: str, value: Any) -> str:
    if key in _BASIS_POINTS.get(error, ()):
        return f"{Decimal(value) / 100} %"
    if key in _AMOUNTS or (error.startswith("ERC20") and isinstance(value, int)):
        return f"{Decimal(value) / 10**18:f}"
    if key in _TIMES:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    if is_address(value):
        return to_checksum_address(value)
    if key == "field":
        return bytes(value).rstrip(b"\0").decode("ascii", "replace")
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)
