"""What the settings of every long-running program have in common: where they come from, and the signing key.

Each setting is read from the environment variable `MERIT_<NAME>`. Any may be given as a file instead:
`MERIT_PASSWORD_FILE` names a file that holds the password. Files win over variables, so that a secret mounted as a file
cannot be overridden by a leftover variable.
"""

import os
from pathlib import Path
from typing import Any, Self

from eth_account.signers.base import BaseAccount
from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from chain.errors import KeyFileError, MeritError
from chain.keys import account_from_keystore, account_from_raw, open_signer

_PREFIX = "MERIT_"


class InvalidSettingError(MeritError):
    """A setting is missing or cannot be used."""


class MeritSettings(BaseSettings):
    """Settings of one program that signs with one key."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="ignore", frozen=True)

    rpc_url: str = Field(
        default="http://127.0.0.1:8545", description="RPC endpoint; several by commas, the others for when one fails"
    )
    deployment: Path = Field(description="file with the contracts' addresses, as `merit deploy` writes it")
    keystore: Path | None = Field(default=None, description="keystore-v3 file of the program's key")
    password: SecretStr | None = Field(default=None, description="unlocks the keystore; better as MERIT_PASSWORD_FILE")
    private_key: SecretStr | None = Field(default=None, description="raw key; for test networks only")
    signer_url: str | None = Field(default=None, description="web3signer that holds the key instead")
    signer_address: str | None = Field(default=None, description="account at the signer, if it holds several")
    max_fee_gwei: float | None = Field(default=None, gt=0, description="the most that is paid per gas; or no limit")

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
    def load(cls, **given: Any) -> Self:
        """Settings from the environment and what is `given`.

        Raises `InvalidSettingError` for the first bad one, whose text never quotes a value.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = f"{_PREFIX}{str(first['loc'][0]).upper()}" if first["loc"] else "The settings"
            raise InvalidSettingError(f"{name} cannot be used ({first['msg']}); set another value.") from None

    @property
    def fee_limit(self) -> int | None:
        """The most that is paid, in wei per gas."""
        return None if self.max_fee_gwei is None else int(self.max_fee_gwei * 10**9)

    def account(self) -> BaseAccount:
        """The program's key. Raises `KeyFileError` unless exactly one source of it is given and opens."""
        given = [
            name
            for name, value in (
                ("MERIT_KEYSTORE", self.keystore),
                ("MERIT_PRIVATE_KEY", self.private_key),
                ("MERIT_SIGNER_URL", self.signer_url),
            )
            if value is not None
        ]
        if len(given) > 1:
            both = "Both " if len(given) == 2 else ""
            raise KeyFileError(f"{both}{' and '.join(given)} are set; keep one of them.")
        if self.signer_url is not None:
            return open_signer(self.signer_url, self.signer_address)
        if self.private_key is not None:
            return account_from_raw(self.private_key.get_secret_value(), "MERIT_PRIVATE_KEY")
        if self.keystore is None:
            raise KeyFileError(
                "No key is given; set MERIT_KEYSTORE and MERIT_PASSWORD_FILE, MERIT_SIGNER_URL, or MERIT_PRIVATE_KEY."
            )
        if self.password is None:
            raise KeyFileError(f"The key {self.keystore} is locked; set MERIT_PASSWORD_FILE.")
        return account_from_keystore(self.keystore, self.password.get_secret_value())


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
