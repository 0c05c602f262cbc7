"""What an audit brought a verifier and what it cost, as the court reckons."""

from dataclasses import dataclass

from eth_typing import ChecksumAddress

from verifier.node.assignment import JobTerms
from verifier.node.audit import Audit


@dataclass(frozen=True)
class Result:
    """Token amounts, in the token's smallest unit: audit fees credited, stake lost to penalties."""

    earned: int
    lost: int


def result(audit: Audit, verifier: ChecksumAddress, terms: JobTerms) -> Result:
    """What `verifier` has earned and lost over all rounds of an audit so far."""
    earned = sum(
        _shared(_pool(terms, decision.appeals), terms.fee_rate) // decision.agreed.bit_count()
        for decision in audit.decisions
        if verifier in decision.committee and decision.agreed >> decision.committee.index(verifier) & 1
    )
    return Result(earned, sum(amount for account, amount in audit.penalties if account == verifier))


def _shared(pool: int, fee_rate: int) -> int:
    """What the network leaves to the committee (`JobEscrow.payFees`)."""
    return pool - pool * fee_rate // 10_000


def _pool(terms: JobTerms, appeals: int) -> int:
    """The fee of a round's committee: the job's, or the bond of the appeal that asked for it (`AuditCourt._bond`)."""
    if appeals == 0:
        return terms.audit_fee
    larger = ((terms.committee_size + 1) << appeals) - 1
    return -(-terms.audit_fee * larger // terms.committee_size)
