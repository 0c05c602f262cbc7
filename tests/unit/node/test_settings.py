"""What an operator can set, and what is said about it."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from chain.errors import KeyFileError
from chain.settings import InvalidSettingError
from verifier.node.settings import NodeSettings

KEY = "0x" + "42" * 32


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERIT_DEPLOYMENT", "deployments/31337.json")


def _keystore(folder: Path) -> dict[str, Any]:
    (folder / "key.json").write_text(json.dumps(Account.encrypt(bytes.fromhex(KEY[2:]), "open sesame", iterations=2)))
    return {"keystore": folder / "key.json", "password": "open sesame"}


def test_settings__environment__is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERIT_EVIDENCE_URLS", "http://one:1,http://two:2")
    monkeypatch.setenv("MERIT_CONFIRMATIONS", "3")
    settings = NodeSettings()
    assert settings.evidence_urls == ("http://one:1", "http://two:2")
    assert settings.confirmations == 3


@pytest.mark.parametrize(
    ("name", "value"), [("evidence_urls", "one"), ("confirmations", -1), ("poll_seconds", 0), ("evidence_urls", ())]
)
def test_load__nonsense__one_sentence_that_names_the_setting(name: str, value: Any) -> None:
    with pytest.raises(InvalidSettingError, match=f"MERIT_{name.upper()} cannot be used"):
        NodeSettings.load(**{name: value})


def test_load__no_deployment__says_which_setting_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MERIT_DEPLOYMENT")
    with pytest.raises(InvalidSettingError, match="MERIT_DEPLOYMENT"):
        NodeSettings.load()


def test_account__keystore_and_password_file__the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = _keystore(tmp_path)
    (tmp_path / "password").write_text(given.pop("password") + "\n")
    monkeypatch.setenv("MERIT_PASSWORD_FILE", str(tmp_path / "password"))
    assert NodeSettings(**given).account().address == Account.from_key(KEY).address


def test_account__raw_key__the_key_and_never_shown() -> None:
    settings = NodeSettings(private_key=KEY)
    assert settings.account().address == Account.from_key(KEY).address
    assert "4242" not in repr(settings)
    assert "4242" not in settings.model_dump_json()


def test_account__wrong_password__says_so(tmp_path: Path) -> None:
    settings = NodeSettings(**_keystore(tmp_path) | {"password": "wrong"})
    with pytest.raises(KeyFileError, match="does not open"):
        settings.account()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "No key is given"),
        ({"keystore": "key.json"}, "set MERIT_PASSWORD_FILE"),
        ({"keystore": "key.json", "private_key": KEY}, "keep one of them"),
        ({"private_key": "0x42"}, "64 hexadecimal digits"),
    ],
)
def test_account__no_usable_key__one_sentence_that_says_what_to_do(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(KeyFileError, match=sentence) as caught:
        NodeSettings(**given).account()
    assert "4242" not in str(caught.value)
