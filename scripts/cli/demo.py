"""`merit demo`: the whole life cycle on this machine."""

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from scripts.cli.amounts import show_amount
from scripts.cli.options import AsJson

if TYPE_CHECKING:
    from scripts.demo.run import Performance


def command(
    as_json: AsJson = False,
    seed: Annotated[int, typer.Option(help="Seed of the accounts and of the requests.")] = 1,
    keep: Annotated[bool, typer.Option(help="Keep logs and data of a performance in which all checks hold.")] = False,
) -> None:
    """Run the whole life cycle on a local chain, with honest and dishonest people, and check what came of it."""
    from scripts.demo.run import run_demonstration  # noqa: PLC0415 - the other commands need no torch

    started = time.monotonic()
    diagnostics = Console(stderr=True)

    def tell(line: str) -> None:
        diagnostics.print(f"[dim]{time.monotonic() - started:6.1f} s[/dim]  {line}", highlight=False)

    performance = run_demonstration(seed, tell, keep)
    if as_json:
        checks = [asdict(check) for check in performance.checks]
        typer.echo(json.dumps({**performance.report.as_json(), "checks": checks}))
    else:
        _show(performance)
    if not all(check.holds for check in performance.checks):
        raise typer.Exit(1)


def _show(performance: "Performance") -> None:
    console, report, names = Console(), performance.report, performance.cast.names
    batches = Table(title="Batches")
    for column in ("batch", "kind", "contributor", "outcome"):
        batches.add_column(column)
    for batch in report.batches:
        batches.add_row(batch.id[:10], batch.kind, names[batch.contributor], batch.outcome)
    console.print(batches)

    accounts = Table(title="Accounts")
    accounts.add_column("account")
    for column in ("credit", "slashed", "reputation"):
        accounts.add_column(column, justify="right")
    for address, name in names.items():
        accounts.add_row(
            name,
            show_amount(report.credits[address]),
            show_amount(report.slashed[address]),
            f"{report.reputation[address]:.4f}",
        )
    console.print(accounts)

    kept = report.conservation
    console.print(
        f"deposited {show_amount(kept.deposited)} = held {show_amount(kept.held)} + burned {show_amount(kept.burned)}"
    )
    for check in performance.checks:
        console.print(f"{'[green]yes[/green]' if check.holds else '[red]NO [/red]'}  {check.claim}", highlight=False)
