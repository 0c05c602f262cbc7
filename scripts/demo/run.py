"""The demonstration from the models to the report."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from chain.logs import configure_logs
from chain.parameters import LOCAL
from scripts.demo.cast import Cast
from scripts.demo.checks import Check, check_report
from scripts.demo.play import Play
from scripts.demo.report import Report, read_report
from scripts.demo.stage import open_stage
from verifier.models.demonstration import demonstration_models

STATE = Path(".merit")


@contextmanager
def _logging_to(path: Path) -> Iterator[None]:
    """Write what the providers' threads log to a file, as the other programs' logs are."""
    with path.open("w", encoding="utf-8") as file:
        configure_logs("info", file)
        yield


@dataclass(frozen=True)
class Performance:
    """What came of it."""

    cast: Cast
    report: Report
    checks: list[Check]


def run_demonstration(seed: int, tell: Callable[[str], None], keep: bool = False) -> Performance:
    """Prepare the models, perform, and read the report. `keep`: leave logs and data behind even on success."""
    torch.set_num_threads(1)  # two threads on two busy cores wait for each other
    models_directory = STATE / "models"
    models = demonstration_models(models_directory, progress=lambda line: tell(f"Models: {line}"))
    directory = (STATE / "demo" / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")).absolute()
    tell("Starting the chain, the contracts, the API and the verifier nodes ...")
    with (
        open_stage(seed, models_directory.absolute(), directory) as stage,
        _logging_to(directory / "logs" / "providers.log"),
    ):
        Play(stage, models, seed, tell).perform()
        report = read_report(stage.network, list(stage.cast.names))
        checks = check_report(report, stage.cast, LOCAL.reputation.stop)
    if all(check.holds for check in checks) and not keep:
        shutil.rmtree(directory)
    else:
        tell(f"Logs and data are in {directory}.")
    return Performance(stage.cast, report, checks)
