"""Is anybody honest ever slashed, or a cheat ever paid? Audits with random mixes of both, on a local chain.

    python benchmarks/rounds.py [--quick] [--json] [--rounds N] [--seed N]

In each round one to three providers send a batch each, and a committee of three to six is drawn from six verifiers, of
whom at most a third cheat. Everything is audited. Who takes part and what is asked comes from the seed; the draws come
from block hashes, and differ from run to run.
"""

import io
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import structlog
import torch
from eth_typing import ChecksumAddress
from report import Row, figure, parser, report

from scripts.demo.report import Report
from scripts.rehearsal import Rehearsal, open_rehearsal
from verifier.models.demonstration import DemonstrationModels, demonstration_models
from verifier.node.adversaries import CopyingVerifier, GuessingExaminer
from verifier.node.node import VerifierNode
from verifier.workloads.providers import CheapTokensProvider, HonestProvider, SubstituteProvider, TextProvider
from verifier.workloads.text_generation import TextGeneration

ROUNDS, QUICK_ROUNDS = 200, 8
MODELS = Path(__file__).resolve().parent.parent / ".merit" / "models"
HONEST = "honest"
_CHEATING_PROVIDERS = ("int8", "smaller model", "cheap tokens")
_CHEATING_VERIFIERS = ("copies", "guesses")
_PAID = ("pass", "unsampled")


@dataclass(frozen=True)
class Mix:
    """Who takes part in a round: what each provider does, what each verifier does, leaves in a batch, seats."""

    providers: tuple[str, ...]
    verifiers: tuple[str, ...]
    leaves: int
    seats: int

    @classmethod
    def of_round(cls, seed: int, number: int, verifiers: int) -> "Mix":
        """The mix of round `number`, with so many `verifiers` to draw from."""
        draw = random.Random(f"{seed} {number}")
        providers = [HONEST if draw.random() < 0.5 else draw.choice(_CHEATING_PROVIDERS) for _ in range(3)]
        cheating = [draw.choice(_CHEATING_VERIFIERS) for _ in range(draw.randint(0, verifiers // 3))]
        acting = cheating + [HONEST] * (verifiers - len(cheating))
        draw.shuffle(acting)
        return cls(
            tuple(providers[: draw.randint(1, 3)]), tuple(acting), draw.randint(1, 6), draw.randint(3, verifiers)
        )


def play(rehearsal: Rehearsal, mix: Mix, seed: int) -> Counter[str]:
    """One round; counts by what they count."""
    cast = rehearsal.cast
    with rehearsal.scene(seed=seed) as scene:
        servers = _servers(rehearsal.models)
        providers = dict(zip(cast.providers, mix.providers, strict=False))
        verifiers = dict(zip(cast.committee, mix.verifiers, strict=True))
        job = scene.open_job(cast.requester, committee_size=mix.seats)
        for account, way in providers.items():
            scene.enter_provider(account, servers[way])
        for account, way in verifiers.items():
            kind = CopyingVerifier if way == "copies" else VerifierNode
            scene.enter_verifier(account, kind=kind, examiner=GuessingExaminer() if way == "guesses" else None)
        for account in providers:
            scene.order(account, job, mix.leaves)
        report = scene.settle()
    ways = {account.address: way for account, way in (providers | verifiers).items()}
    return _counted(report, ways | {cast.requester.address: HONEST})


def _servers(models: DemonstrationModels) -> dict[str, TextProvider]:
    workload = TextGeneration(models.registered)
    return {
        HONEST: HonestProvider(workload),
        "int8": SubstituteProvider(workload, models.int8),
        "smaller model": SubstituteProvider(workload, models.small),
        "cheap tokens": CheapTokensProvider(workload, models.small),
    }


def _counted(report: Report, ways: dict[ChecksumAddress, str]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for batch in report.batches:
        honest, paid = ways[batch.contributor] == HONEST, batch.outcome in _PAID
        counted["honest batches" if honest else "cheating batches"] += 1
        counted["honest batches not paid"] += honest and not paid
        counted[f"{'honest' if honest else 'cheating'} batches: {batch.outcome}"] += 1
    counted["cheating verifiers"] = sum(way in _CHEATING_VERIFIERS for way in ways.values())
    for account, way in ways.items():
        counted["honest parties slashed"] += way == HONEST and report.slashed[account] > 0
        counted["cheats paid"] += way != HONEST and report.credits[account] > 0
        counted["cheating verifiers slashed"] += way in _CHEATING_VERIFIERS and report.slashed[account] > 0
    return counted


def figures(counted: Counter[str], rounds: int, seconds: float) -> list[Row]:
    """Everything that the rounds came to."""
    return [
        figure("rounds", rounds, "count"),
        figure("honest parties slashed", counted["honest parties slashed"], "count", 0),
        figure("cheats paid", counted["cheats paid"], "count", 0),
        figure("honest batches not paid", counted["honest batches not paid"], "count"),
        *(
            figure(name, counted[name], "count")
            for name in ("honest batches", "cheating batches", "cheating verifiers", "cheating verifiers slashed")
        ),
        *(figure(name, counted[name], "count") for name in sorted(counted) if ": " in name),
        figure("time for a round", seconds / rounds, "s"),
    ]


def run(rounds: int, seed: int) -> list[Row]:
    """Play the rounds; progress, and the logs of any round that should not have been, on standard error."""
    torch.set_num_threads(1)
    models = demonstration_models(MODELS, progress=lambda line: print(f"{line} ...", file=sys.stderr))
    total: Counter[str] = Counter()
    with open_rehearsal(models, seed) as rehearsal:
        started = time.monotonic()
        for number in range(rounds):
            log = io.StringIO()
            structlog.configure(
                processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer()],
                logger_factory=structlog.WriteLoggerFactory(file=log),
            )
            mix = Mix.of_round(seed, number, len(rehearsal.cast.committee))
            counted = play(rehearsal, mix, seed * ROUNDS + number)
            if counted["honest parties slashed"] or counted["honest batches not paid"] or counted["cheats paid"]:
                print(f"round {number}: {mix}\n{+counted}\n{log.getvalue()}", file=sys.stderr)
            total += counted
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
        return figures(total, rounds, time.monotonic() - started)


def main() -> None:
    """Exits with 1 when a target is missed."""
    options = parser(__doc__, f"{QUICK_ROUNDS} rounds")
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    report(chosen, lambda: run(QUICK_ROUNDS if chosen.quick else chosen.rounds, chosen.seed))


if __name__ == "__main__":
    main()
