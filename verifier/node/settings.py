"""Everything that the operator of a node can set, in one place."""

from pathlib import Path
from typing import Annotated, Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from pydantic import AfterValidator, AnyHttpUrl, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from chain.errors import KeyFileError, MeritError
from chain.keys import account_from_keystore


def _separated(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


def _checked_urls(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        AnyHttpUrl(value)
    return values


class InvalidSettingsError(MeritError):
    """A setting is missing or cannot be used."""


class NodeSettings(BaseSettings):
    """Settings of a verifier node; each is read from the environment variable `MERIT_<NAME>` unless given."""

    model_config = SettingsConfigDict(env_prefix="MERIT_", frozen=True, extra="forbid")

    rpc_url: str = "http://127.0.0.1:8545"
    deployment: Path = Field(description="file with the contracts' addresses, as `merit deploy` writes it")
    evidence_urls: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_separated), AfterValidator(_checked_urls), Field(min_length=1)
    ] = ("http://127.0.0.1:8000",)

    keystore: Path | None = Field(default=None, description="keystore-v3 file of the verifier's key")
    password_file: Path | None = Field(default=None, description="file whose first line unlocks the keystore")
    private_key: SecretStr | None = Field(default=None, description="raw key; for test networks only")

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
    evidence_bytes: int = Field(default=16 * 2**20, gt=0, description="longest block of evidence that is read")
    evidence_seconds: float = Field(default=30.0, gt=0, description="longest time for one block from one store")

    examination_seconds: float = Field(default=300.0, gt=0, description="longest run of one audit's sampled work")
    examination_bytes: int = Field(
        default=8 * 2**30, ge=2**28, description="memory that the process that runs sampled work may take"
    )

    status_host: str = "127.0.0.1"
    status_port: int = Field(
        default=9464, ge=0, lt=2**16, description="for /health, /ready, /status and /metrics; 0 for a free port"
    )

    @classmethod
    def load(cls, **given: Any) -> "NodeSettings":
        """Settings from the environment and what is `given`. Raises `InvalidSettingsError` for the first bad one."""
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = f"MERIT_{str(first['loc'][0]).upper()}" if first["loc"] else "The settings"
            raise InvalidSettingsError(f"{name} cannot be used ({first['msg']}); set another value.") from None

    def account(self) -> LocalAccount:
        """The verifier's key. Raises `KeyFileError` unless exactly one source of it is given and opens."""
        if self.keystore is not None and self.private_key is not None:
            raise KeyFileError("Both MERIT_KEYSTORE and MERIT_PRIVATE_KEY are set; keep one of them.")
        if self.private_key is not None:
            try:
                account: LocalAccount = Account.from_key(self.private_key.get_secret_value())
            except Exception:  # the message of the cause may quote the key, so it is cut off
                raise KeyFileError(
                    "MERIT_PRIVATE_KEY does not hold a private key: 0x and 64 hexadecimal digits."
                ) from None
            return account
        if self.keystore is None:
            raise KeyFileError("No key is given; set MERIT_KEYSTORE and MERIT_PASSWORD_FILE, or MERIT_PRIVATE_KEY.")
        return account_from_keystore(self.keystore, self._password())

    def _password(self) -> str:
        if self.password_file is None:
            raise KeyFileError(f"The key {self.keystore} is locked; set MERIT_PASSWORD_FILE.")
        try:
            return self.password_file.read_text(encoding="utf-8").split("\n", 1)[0].removesuffix("\r")
        except OSError as error:
            raise KeyFileError(f"Cannot read the password file {self.password_file}; name another.") from error
