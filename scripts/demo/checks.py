"""What the demonstration claims, each claim decided by the report that was read from the chain."""

from dataclasses import dataclass

from scripts.demo.cast import Cast
from scripts.demo.report import Report

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Check:
    """A claim, and whether the report bears it out."""

    claim: str
    holds: bool


def check_report(report: Report, cast: Cast, stop: float) -> list[Check]:
    """All claims; `stop` is the reputation's parameter."""
    outcomes = {
        account.address: [batch.outcome for batch in report.batches if batch.contributor == account.address]
        for account in cast.providers
    }
    credit, slashed = report.credits, report.slashed
    checks = []
    for account in (cast.honest, cast.sybils[0]):
        name = cast.names[account.address]
        checks.append(
            Check(
                f"the {name}'s honest work passes, is paid and not slashed",
                set(outcomes[account.address]) <= {"pass", "unsampled"}
                and "pass" in outcomes[account.address]
                and credit[account.address] > 0
                and slashed[account.address] == 0,
            )
        )
    for account in (cast.int8, cast.small, cast.cheap_tokens):
        checks.append(
            Check(
                f"the {cast.names[account.address]} is found out, not paid, and slashed",
                set(outcomes[account.address]) == {"fraud"}
                and credit[account.address] == 0
                and slashed[account.address] > 0,
            )
        )
    for account in (cast.copier, cast.guesser):
        checks.append(
            Check(
                f"the {cast.names[account.address]} earns nothing and is slashed",
                credit[account.address] == 0 and slashed[account.address] > 0,
            )
        )
    checks.append(
        Check(
            "the honest verifiers are paid and not slashed",
            sum(credit[account.address] for account in cast.verifiers) > 0
            and all(slashed[account.address] == 0 for account in cast.verifiers),
        )
    )
    checks.append(Check("the requester is not slashed", slashed[cast.requester.address] == 0))
    attacker, *ring = [report.reputation[account.address] for account in cast.sybils]
    bound = attacker * (1 - stop) / stop
    checks.append(
        Check(
            f"the ring's reputation, {sum(ring):.4f}, is at most (1 - stop) / stop of the attacker's: {bound:.4f}",
            sum(ring) <= bound + _ROUNDING,
        )
    )
    kept = report.conservation
    checks.append(
        Check("tokens deposited = tokens held + tokens burned", kept.deposited == kept.held + kept.burned > 0)
    )
    return checks
