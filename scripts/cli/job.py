"""`merit job open`: put a job and its money on the chain."""

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from eth_utils.address import is_address, to_checksum_address

from chain.client import MeritClient
from chain.contribution import content_digest
from chain.errors import MeritError
from chain.job_terms import Kind, Terms
from scripts.cli.amounts import parse_amount
from scripts.cli.options import AsJson, Connection, with_connection
from scripts.cli.submit import DEFAULT_API, Api

app = typer.Typer(help="Open jobs.", no_args_is_help=True)

_DAY = 86_400


class OpenKind(StrEnum):
    """Kinds of work that can be ordered from here."""

    TRAINING = "training"


class UnreadableJobError(MeritError):
    """Options or files that do not make up a job."""


@app.callback()
def job() -> None:
    """Open jobs."""


@app.command("open")
@with_connection
def open_(
    connection: Connection,
    data: Annotated[Path, typer.Option(help="Safetensors file: float32 features, int64 labels; or int32 tokens.")],
    organiser: Annotated[str, typer.Option(help="Account that holds the rounds; not the one that pays.")],
    pot: Annotated[str, typer.Option(help="Tokens that a round pays.")],
    amount: Annotated[str, typer.Option(help="Tokens put into escrow: pots and audit fees of all rounds.")],
    kind: Annotated[OpenKind, typer.Option(help="Kind of work.")] = OpenKind.TRAINING,
    model: Annotated[
        str, typer.Option(help="What is trained: a perceptron, convolution or gpt with its sizes, see docs/training.")
    ] = "perceptron widths=64,32,10",
    assigned: Annotated[int, typer.Option(min=1, help="Rows of the data that each trainer is given in a round.")] = 48,
    evaluated: Annotated[int, typer.Option(min=1, help="Rows that decide what updates are worth.")] = 160,
    committee: Annotated[int, typer.Option(min=1, help="Verifiers that work each round out.")] = 5,
    audit_fee: Annotated[str, typer.Option(help="Tokens that they share in a round.")] = "3",
    days: Annotated[int, typer.Option(min=1, help="Days until the job expires.")] = 30,
    api: Api = DEFAULT_API,
    as_json: AsJson = False,
) -> None:
    """Publish what is trained on which data, and open the job; prints its number."""
    # The other commands need neither safetensors nor the model.
    from verifier.shared.examiner import WORDS  # noqa: PLC0415
    from verifier.shared.ledger import TRAINING  # noqa: PLC0415
    from verifier.workloads.errors import MalformedEvidenceError  # noqa: PLC0415
    from verifier.workloads.training_models import named_model  # noqa: PLC0415
    from verifier.workloads.training_records import LEAST_TRAINERS, TrainingJob  # noqa: PLC0415
    from verifier.workloads.training_tensors import write_parameters  # noqa: PLC0415

    if not is_address(organiser):
        raise UnreadableJobError(f"{organiser} is not an account; name the organiser's address.")
    described = named_model(model)
    try:
        block = data.read_bytes()
        described.judged(block)
    except (OSError, MalformedEvidenceError) as error:
        raise UnreadableJobError(f"{data} does not fit the model: {error}.") from error

    parameters, units = write_parameters(described.initial_parameters(0)), 1
    trained = TrainingJob(
        organiser=to_checksum_address(organiser),
        model=described,
        parameters=content_digest(parameters),
        data=content_digest(block),
        assigned=assigned,
        evaluated=evaluated,
        units=units,
    )
    if trained.most_trainers < LEAST_TRAINERS:
        raise UnreadableJobError(
            f"Verifiers could judge {trained.most_trainers} updates of this model in a round, and fewer than "
            f"{LEAST_TRAINERS} are never paid; lower --evaluated and --assigned, or take a smaller model."
        )

    network = connection.network()
    sender, account = connection.sender(network), connection.account(network)
    with MeritClient(api, network.domain, account) as client:
        client.put_evidence(parameters)
        client.put_evidence(block)
        specification = TRAINING.specification(client.put_evidence(trained.to_block()))
        client.put_evidence(specification.to_block())
    price = parse_amount(pot)
    terms = Terms(
        kind=Kind[kind.name],
        price=price,
        audit_fee=parse_amount(audit_fee),
        # Lost by an organiser that records something else than a round; a fifth of the pot makes that a loss for sure.
        slash_per_unit=-(-price // 5),
        audit_rate_floor=10_000,
        audit_rate_ceiling=10_000,
        committee_size=committee,
        samples=4,
        words=WORDS,
        tau=16,
        soft=32,
        hard=64,
        expiry=int(time.time()) + days * _DAY,
        specification=specification.digest,
    )
    escrow, funds = network.escrow, parse_amount(amount)
    sender.send(network.token.functions.approve(escrow.address, funds))
    receipt = sender.send(escrow.functions.open(terms.as_tuple(), funds))
    (opened,) = escrow.events.JobOpened().process_receipt(receipt)
    number = opened["args"]["jobId"]
    typer.echo(json.dumps({"job": number, "specification": specification.digest.hex()}) if as_json else number)
