"""Putting a retrieval job and its money on the chain."""

from collections.abc import Callable

from web3.logs import DISCARD

from chain.job_terms import Kind, Terms
from chain.network import Network
from chain.sender import TransactionSender
from verifier.retrieval.records import RetrievalJob
from verifier.shared.examiner import WORDS
from verifier.shared.ledger import RETRIEVAL

_FIFTH = 5


def open_job(
    network: Network,
    sender: TransactionSender,
    publish: Callable[[bytes], bytes],
    job: RetrievalJob,
    *,
    pot: int,
    funds: int,
    audit_fee: int,
    committee: int,
    samples: int,
    expiry: int,
) -> int:
    """Publish what the job is, and open it; its number.

    publish: puts a block into the evidence store and returns its digest. pot: what a window pays. funds: for the pots
    and audit fees of all windows. audit_fee: for each window; all amounts in the token's smallest unit. samples: leaves
    of a window that an audit looks at. expiry: Unix seconds.
    """
    specification = RETRIEVAL.specification(publish(job.to_block()))
    publish(specification.to_block())
    price = -(-pot // job.units)
    terms = Terms(
        kind=Kind.RETRIEVAL,
        price=price,
        audit_fee=audit_fee,
        # Lost by an organiser that records something else than a window; a fifth of the pot makes that a loss for sure.
        slash_per_unit=-(-price // _FIFTH),
        audit_rate_floor=10_000,
        audit_rate_ceiling=10_000,
        committee_size=committee,
        samples=samples,
        words=WORDS,
        tau=16,
        soft=32,
        hard=64,
        expiry=expiry,
        specification=specification.digest,
    )
    escrow = network.escrow
    sender.send(network.token.functions.approve(escrow.address, funds))
    receipt = sender.send(escrow.functions.open(terms.as_tuple(), funds))
    (opened,) = escrow.events.JobOpened().process_receipt(receipt, errors=DISCARD)
    return int(opened["args"]["jobId"])
