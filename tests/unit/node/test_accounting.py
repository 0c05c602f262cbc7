"""What an audit brought and cost: the court's own figures."""

from eth_utils.address import to_checksum_address

from chain.contribution import Batch
from verifier.node.accounting import Result, result
from verifier.node.assignment import JobTerms
from verifier.node.audit import Audit, Decision

ME, OTHER, THIRD, REQUESTER = (to_checksum_address("0x" + byte * 20) for byte in ("aa", "bb", "cc", "dd"))
TERMS = JobTerms(
    REQUESTER,
    shared=False,
    samples=1,
    words=1,
    committee_size=3,
    audit_fee=100,
    fee_rate=500,
    specification=bytes(32),
)
BATCH = Batch(1, OTHER, 0, 1, 1, bytes(32), bytes(32), 0)


def _result(*decisions: Decision, penalties: tuple[tuple[str, int], ...] = ()) -> Result:
    audit = Audit(bytes(32), BATCH, None, decisions=decisions, penalties=penalties)  # type: ignore[arg-type]
    return result(audit, ME, TERMS)


def test_result__agreed_with_all__an_equal_share_rounded_down() -> None:
    assert _result(Decision((OTHER, ME, THIRD), 0b111, 0)) == Result(95 // 3, 0)


def test_result__agreed_with_one__half() -> None:
    assert _result(Decision((OTHER, ME, THIRD), 0b110, 0)) == Result(95 // 2, 0)


def test_result__others_agreed__nothing_and_the_penalty() -> None:
    assert _result(Decision((OTHER, ME, THIRD), 0b101, 0), penalties=((ME, 5), (OTHER, 7))) == Result(0, 5)


def test_result__not_in_the_committee__nothing() -> None:
    assert _result(Decision((OTHER, THIRD), 0b11, 0)) == Result(0, 0)


def test_result__appeal__the_bond_is_the_larger_committees_fee() -> None:
    # Seven seats at the price of a seat in the first committee: ceil(100 x 7 / 3) = 234.
    seats = (OTHER, ME, THIRD, *(to_checksum_address("0x" + byte * 20) for byte in ("01", "02", "03", "04")))
    assert _result(Decision((ME,), 0b1, 0), Decision(seats, 0b1111111, 1)) == Result(95 + (234 - 11) // 7, 0)
