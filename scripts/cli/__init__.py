"""The `merit` command: values on stdout, progress and diagnostics on stderr, one sentence for each failure."""

import sys

import typer

from chain.errors import MeritError
from scripts.cli import demo, deploy, serve, stake, submit, verifier

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
app.command("demo")(demo.command)
app.add_typer(stake.app, name="stake")
app.add_typer(verifier.app, name="verifier")


def main() -> None:
    """Entry point. A failure that a person can mend is one sentence on stderr and exit status 1."""
    try:
        app()
    except MeritError as error:
        typer.secho(str(error), fg="red", err=True)
        sys.exit(1)
