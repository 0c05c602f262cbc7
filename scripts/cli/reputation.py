"""`merit reputation`: MeritRank over an edge list, without any chain."""

import json
import sys
from collections.abc import Hashable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from chain.errors import MeritError
from scripts.cli.options import AsJson


def command(
    file: Annotated[Path, typer.Argument(help="Edge list: one `source,target,weight` a line; `-` for standard input.")],
    seed: Annotated[list[str], typer.Option(help="Whose view it is; several for a common view.")],
    top: Annotated[int, typer.Option(min=1, help="How many to print.")] = 20,
    stop: Annotated[float, typer.Option(help="Probability that a walk stops at a step.")] = 0.4,
    bridge_decay: Annotated[float, typer.Option(help="What an account behind a bridge loses.")] = 0.5,
    as_json: AsJson = False,
) -> None:
    """Print the best scores of a feedback graph, as the seeds see it."""
    from scoring.reputation import MeritRank, ReputationError, read_edges  # noqa: PLC0415 - compiles on first use

    try:
        with nullcontext(sys.stdin) if str(file) == "-" else file.open(encoding="utf-8") as lines:
            graph = read_edges(lines)
        seeds: dict[Hashable, float] = dict.fromkeys(seed, 1.0)
        scores = MeritRank(graph, stop=stop, bridge_decay=bridge_decay).scores(seeds)
        best = [(node, score, scores.share(node)) for node, score in scores.top(top)]
    except (OSError, UnicodeDecodeError) as error:
        raise MeritError(f"Cannot read {file}; name a text file with one edge a line.") from error
    except ReputationError as error:
        raise MeritError(f"{file}: {error}.") from error
    if as_json:
        typer.echo(json.dumps([{"node": node, "score": score, "share": share} for node, score, share in best]))
        return
    table = Table("account", "score", "share")
    for node, score, share in best:
        table.add_row(str(node), f"{score:.6f}", f"{share:.6f}")
    Console().print(table)
