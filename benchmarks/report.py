"""What every benchmark prints: a row for each figure, with its target and a peer's figure where there are such."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Row:
    """One figure. ratio: how many times better than the peer's."""

    name: str
    value: float
    unit: str
    target: float | None = None
    met: bool | None = None
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None


def figure(name: str, value: float, unit: str, target: float | None = None, *, higher_is_better: bool = False) -> Row:
    """A figure, and whether it reaches its target."""
    met = None if target is None else (value >= target if higher_is_better else value <= target)
    return Row(name, value, unit, target, met)


def beside(ours: Row, peer: str, peer_value: float) -> Row:
    """The same with a peer's figure; more is better where the unit is one of speed."""
    ratio = ours.value / peer_value if ours.unit.endswith("/s") else peer_value / ours.value
    return Row(ours.name, ours.value, ours.unit, ours.target, ours.met, peer, peer_value, ratio)


def parser(description: str | None, quick: str) -> argparse.ArgumentParser:
    """Options that all have. quick: what `--quick` leaves out."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--quick", action="store_true", help=f"within a minute: {quick}")
    made.add_argument("--json", action="store_true", help="a list of rows instead of a table")
    return made


def report(options: argparse.Namespace, measured: Callable[[], Iterable[Row]]) -> None:
    """Print each row as soon as it is there; exits with 1 if a target was missed."""
    rows = []
    for found in measured():
        rows.append(found)
        print(_line(found), file=sys.stderr if options.json else sys.stdout, flush=True)
    if options.json:
        print(json.dumps([asdict(found) for found in rows], indent=2))
    sys.exit(any(found.met is False for found in rows))


def _line(found: Row) -> str:
    target = "" if found.target is None else f"{found.target:,g} {'met' if found.met else 'MISSED'}"
    peer = "" if found.peer is None else f"{found.peer} {found.peer_value:,.4g} ({found.ratio:,.3g}x)"
    return f"{found.name:<80} {found.value:>12,.4g} {found.unit:<10} {target:<14} {peer}".rstrip()
