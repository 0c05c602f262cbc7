"""Every setting of the backend: environment variables with the prefix `MERIT_`, documented once, here.

Any variable may be given as a file instead: `MERIT_DATABASE_URL_FILE` names a file that holds the database's URL. Files
win over variables, so that a secret mounted as a file cannot be overridden by a leftover variable.
"""

import os
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from chain.contribution import MAX_BATCH_LEAVES
from chain.errors import KeyFileError, MeritError
from chain.keys import account_from_keystore

_PREFIX = "MERIT_"


class InvalidSettingError(MeritError):
    """A setting that cannot be used."""


class Settings(BaseSettings):
    """Defaults suit a local chain; times are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    # --- the chain
    rpc_url: str = "http://127.0.0.1:8545"
    deployment: Path = Path("deployments/31337.json")
    confirmations: int = Field(0, ge=0, description="blocks that an event must be deep before it is indexed")
    poll_interval: float = Field(1.0, gt=0, description="pause between two looks at the chain")
    log_range: int = Field(2000, ge=1, description="blocks per log query; halved when the endpoint refuses")

    # --- the recorder's key: a raw key, or a keystore with its password
    recorder_key: SecretStr | None = None
    recorder_keystore: Path | None = None
    recorder_password: SecretStr | None = None

    # --- batches
    batch_leaves: int = Field(256, ge=1, le=MAX_BATCH_LEAVES, description="a batch is closed when it holds so many")
    batch_age: float = Field(30.0, ge=0, description="a batch is closed when its first leaf is so old")
    signature_margin: float = Field(600.0, ge=0, description="a batch signature must stay good for this much longer")
    keep_audits: bool = Field(True, description="draw, finalize and settle what is due")

    # --- epochs
    propose_epochs: bool = Field(False, description="close epochs and propose their scores; needs tokens for the bond")

    # --- storage
    database_url: SecretStr = SecretStr("sqlite:///.merit/backend.db")
    evidence_directory: Path = Path(".merit/evidence")
    evidence_limit: int = Field(64 << 20, ge=1, description="largest piece of evidence that is taken")
    kubo_address: str | None = Field(None, description="multiaddr of a Kubo API that pins the evidence too")

    # --- the server
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    body_limit: int = Field(1 << 20, ge=1, description="largest request body other than evidence")
    log_level: str = "info"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then `*_FILE`, then variables."""
        return init_settings, _FileSource(settings_cls), env_settings

    @classmethod
    def load(cls, **overrides: Any) -> "Settings":
        """Settings from the environment. Raises `InvalidSettingError`, whose text never quotes a value."""
        try:
            return cls(**overrides)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = _PREFIX + str(first["loc"][0]).upper()
            raise InvalidSettingError(f"{name} cannot be used: {first['msg']}; correct it.") from None

    def recorder_account(self) -> LocalAccount:
        """The key that relays batches and signs receipts. Raises `KeyFileError` where none is set or it is not one."""
        if self.recorder_keystore is not None:
            password = self.recorder_password.get_secret_value() if self.recorder_password else ""
            return account_from_keystore(self.recorder_keystore, password)
        if self.recorder_key is None:
            raise KeyFileError("The recorder has no key; set MERIT_RECORDER_KEY_FILE or MERIT_RECORDER_KEYSTORE.")
        try:
            account: LocalAccount = Account.from_key(self.recorder_key.get_secret_value())
        except Exception:  # the message of the cause may quote the key, so it is cut off
            raise KeyFileError("MERIT_RECORDER_KEY is not a private key: 0x and 64 hexadecimal digits.") from None
        return account


class _FileSource(PydanticBaseSettingsSource):
    """`MERIT_<FIELD>_FILE`: the value is what the file holds, without the line's end."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{_PREFIX}{field_name.upper()}_FILE"
        path = os.environ.get(variable)
        if path is None:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False
        except (OSError, ValueError):
            raise InvalidSettingError(f"{variable} names a file that cannot be read; correct the path.") from None

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}
