"""`merit economics`: whether cheating pays under given terms, and how large a committee must be."""

import json
from fractions import Fraction
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from scoring.economics import Stakes, best_cheat, capture_probability, caught_probability, needed_catch, surely_caught
from scripts.cli.amounts import parse_amount, show_amount
from scripts.cli.options import AsJson

_BASIS_POINTS = 10_000


def command(
    price: Annotated[str, typer.Option(help="Tokens paid for a unit of work.")] = "0.01",
    slash: Annotated[str, typer.Option(help="Tokens of stake demanded for a unit of work.")] = "0.1",
    rate: Annotated[int, typer.Option(min=1, max=_BASIS_POINTS, help="Audit rate in basis points.")] = 1_200,
    samples: Annotated[int, typer.Option(min=1, max=16, help="Leaves that an audit looks at.")] = 4,
    leaves: Annotated[int, typer.Option(min=1, max=1024, help="Leaves in a batch.")] = 64,
    detection: Annotated[
        int, typer.Option(min=1, max=_BASIS_POINTS, help="Basis points in which a faked leaf is recognised.")
    ] = 9_000,
    malicious: Annotated[float, typer.Option(min=0, max=1, help="Share of the stake that colludes.")] = 0.2,
    as_json: AsJson = False,
) -> None:
    """Show what the best cheat would gain under these terms, and whether the escrow admits them."""
    stakes = Stakes(parse_amount(price), parse_amount(slash), rate, samples, detection)
    faked, gain = best_cheat(stakes, leaves)
    needed, caught = needed_catch(stakes.price, stakes.slash), surely_caught(rate, detection)
    captures = {
        size: float(capture_probability(size, Fraction(malicious).limit_denominator(10**6)))
        for size in (3, 5, 7, 11, 15, 21, 23)
    }
    result = {
        "admitted": caught >= needed,
        "needed_basis_points": needed,
        "caught_basis_points": caught,
        "best_cheat_leaves": faked,
        "best_cheat_caught": float(caught_probability(stakes, leaves, faked)),
        "best_cheat_gain": float(gain) / 10**18,
        "capture_probability": captures,
    }
    if as_json:
        typer.echo(json.dumps(result))
        return
    console = Console()
    verdict = "admits" if result["admitted"] else "refuses"
    console.print(
        f"The escrow {verdict} these terms: a faked leaf is caught in {caught / 100:g} % of cases, "
        f"and {needed / 100:g} % is needed."
    )
    console.print(
        f"The best cheat fakes {faked} of {leaves} leaves, is caught with probability "
        f"{result['best_cheat_caught']:.4f} and expects {show_amount(int(gain))} tokens over honest work."
    )
    table = Table("seats", "two thirds colluding", title=f"Committees with {malicious:.0%} of the stake colluding")
    for size, probability in captures.items():
        table.add_row(str(size), f"{probability:.3g}")
    console.print(table)
