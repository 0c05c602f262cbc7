"""Everything that the operator of a node can set, in one place."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, AnyHttpUrl, BeforeValidator, Field
from pydantic_settings import NoDecode

from chain.settings import MeritSettings


def _separated(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def _checked_urls(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        AnyHttpUrl(value)
    return values


class NodeSettings(MeritSettings):
    """Settings of a verifier node."""

    evidence_urls: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_separated), AfterValidator(_checked_urls), Field(min_length=1)
    ] = ("http://127.0.0.1:8000",)

    data_directory: Path = Field(default=Path("merit-node"), description="journal and chain history")
    models_directory: Path = Field(default=Path("models"), description="registered models by digest")

    poll_seconds: float = Field(default=1.0, gt=0, description="pause between two looks at the chain")
    confirmations: int = Field(default=0, ge=0, description="blocks on top of an event before the node acts on it")
    patience_seconds: float = Field(
        default=10.0, ge=0, description="time that others are given to draw, finalize or settle an audit first"
    )
    least_withdrawal: int | None = Field(
        default=None, gt=0, description="credit, in the token's smallest unit, from which on it is withdrawn; or never"
    )
    watch_epochs: bool = Field(
        default=False, description="recompute what is proposed as an epoch's scores and challenge it where it is wrong"
    )
    rows_bytes: int = Field(default=2**28, gt=0, description="longest published rows of an epoch that are read")
    evidence_bytes: int = Field(default=16 * 2**20, gt=0, description="longest block of evidence that is read")
    evidence_seconds: float = Field(default=30.0, gt=0, description="longest time for one block from one store")

    examination_seconds: float = Field(default=300.0, gt=0, description="longest run of one audit's sampled work")
    examination_bytes: int = Field(
        default=8 * 2**30, ge=2**28, description="memory that each of the two processes that run work again may take"
    )

    ray_address: str | None = Field(
        default=None, description="Ray cluster over whose workers rounds of training are valued; by default here"
    )

    status_host: str = "127.0.0.1"
    status_port: int = Field(
        default=9464, ge=0, lt=2**16, description="for /health, /ready, /status and /metrics; 0 for a free port"
    )
