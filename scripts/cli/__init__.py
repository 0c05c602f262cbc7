"""The `merit` command: values on stdout, progress and diagnostics on stderr, one sentence for each failure."""

import os
import sys

import typer

from chain.errors import MeritError
from scripts.cli import (
    batch,
    contracts,
    demo,
    deploy,
    doctor,
    economics,
    epoch,
    evidence,
    job,
    keys,
    model,
    reputation,
    serve,
    source,
    stake,
    submit,
    train,
    verifier,
)

app = typer.Typer(
    name="merit",
    help="Merit: verified work, paid and turned into Sybil-tolerant reputation.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("deploy")(deploy.command)
app.command("serve")(serve.command)
app.command("submit")(submit.command)
app.command("why")(submit.why)
app.command("status")(stake.status)
app.command("reputation")(reputation.command)
app.command("economics")(economics.command)
app.command("demo")(demo.command)
app.command("doctor")(doctor.command)
app.add_typer(batch.app, name="batch")
app.add_typer(contracts.app, name="contracts")
app.add_typer(epoch.app, name="epoch")
app.add_typer(evidence.app, name="evidence")
app.add_typer(job.app, name="job")
app.add_typer(keys.app, name="keys")
app.add_typer(model.app, name="model")
app.add_typer(source.app, name="source")
app.add_typer(stake.app, name="stake")
app.add_typer(train.app, name="train")
app.add_typer(verifier.app, name="verifier")


def main() -> None:
    """Entry point. A failure is one sentence on stderr and exit status 1; `MERIT_DEBUG=1` shows where it came from."""
    try:
        app()
    except Exception as error:
        if os.environ.get("MERIT_DEBUG"):
            raise
        sentence = str(error)
        if not isinstance(error, MeritError):
            sentence = (
                f"Something went wrong that Merit did not foresee ({type(error).__name__}); set MERIT_DEBUG=1 to see."
            )
        typer.secho(sentence, fg="red", err=True)
        sys.exit(1)
