"""Every setting of the backend, documented once, here; `chain.settings` says where they come from."""

from pathlib import Path

from pydantic import Field, SecretStr

from chain.contribution import MAX_BATCH_LEAVES
from chain.settings import MeritSettings


class Settings(MeritSettings):
    """Defaults suit a local chain; times are in seconds, sizes in bytes."""

    # --- the chain
    deployment: Path = Path("deployments/31337.json")
    confirmations: int = Field(0, ge=0, description="blocks that an event must be deep before it is indexed")
    poll_interval: float = Field(1.0, gt=0, description="pause between two looks at the chain")
    log_range: int = Field(2000, ge=1, description="blocks per log query; halved when the endpoint refuses")

    # --- batches
    batch_leaves: int = Field(256, ge=1, le=MAX_BATCH_LEAVES, description="a batch is closed when it holds so many")
    batch_age: float = Field(30.0, ge=0, description="a batch is closed when its first leaf is so old")
    signature_margin: float = Field(600.0, ge=0, description="a batch signature must stay good for this much longer")
    keep_audits: bool = Field(True, description="draw, finalize and settle what is due")

    # --- epochs
    propose_epochs: bool = Field(False, description="close epochs and propose their scores; needs tokens for the bond")

    # --- retrieval
    retrieval_job: int | None = Field(None, ge=1, description="job in whose name sources are asked; none asks none")
    query_deadline: float = Field(1.0, gt=0, description="sources that have not answered by then are left out")
    window_queries: int = Field(256, ge=1, description="a window is recorded when it holds so many queries")
    window_age: float = Field(3600.0, ge=0, description="a window is recorded when its first query is so old")
    local_sources: bool = Field(False, description="ask sources in this machine's own network too, on a laptop")
    generator: Path | None = Field(
        None, description="folder of a causal model and its tokenizer that writes answers; none writes none"
    )
    generator_tokens: int = Field(128, ge=1, description="longest answer, in tokens")
    generator_seconds: float = Field(30.0, gt=0, description="an answer that takes longer is left out")

    # --- storage
    database_url: SecretStr = SecretStr("sqlite:///.merit/backend.db")
    outbox: Path | None = Field(
        None, description="file of transactions that are not mined yet; beside a SQLite database unless it is named"
    )
    evidence_directory: Path = Path(".merit/evidence")
    evidence_limit: int = Field(64 << 20, ge=1, description="largest piece of evidence that is taken")
    evidence_retention: float = Field(
        30 * 24 * 3600.0, ge=0, description="evidence that nothing needs any more is kept for so long"
    )
    kubo_address: str | None = Field(None, description="multiaddr of a Kubo API that pins the evidence too")

    # --- the server
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]+$",
        description="scheme, host and port by which callers reach the service: what they sign names it",
    )
    trusted_proxies: str = Field("127.0.0.1", description="whose X-Forwarded-For is believed, separated by commas")
    address_rate: float = Field(200.0, gt=0, description="requests a second that one network address may make")
    account_rate: float = Field(50.0, gt=0, description="signed requests a second that one account may make")
    body_limit: int = Field(1 << 20, ge=1, description="largest request body other than evidence")
    log_level: str = "info"

    @property
    def outbox_file(self) -> Path | None:
        """Where signed transactions outlive the process; None, in memory, on a PostgreSQL database without `outbox`."""
        url = self.database_url.get_secret_value()
        if self.outbox is not None or not url.startswith("sqlite:///"):
            return self.outbox
        return Path(url.removeprefix("sqlite:///").partition("?")[0]).with_name("outbox.sqlite")

    @property
    def origin(self) -> str:
        """The service's scheme, host and port, as callers sign it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"
