"""Settings: every one from the environment or a file, and no secret in any message."""

from pathlib import Path

import pytest
from eth_account import Account

from backend.database import Database
from backend.settings import Settings
from chain.errors import KeyFileError
from chain.settings import InvalidSettingError

KEY = "0x" + "5d" * 32


def test_variable__is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERIT_BATCH_LEAVES", "17")
    assert Settings.load().batch_leaves == 17


def test_file__wins_over_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    monkeypatch.setenv("MERIT_PRIVATE_KEY", "0x" + "11" * 32)
    monkeypatch.setenv("MERIT_PRIVATE_KEY_FILE", str(tmp_path / "key"))
    assert Settings.load().account().address == Account.from_key(KEY).address


def test_file__that_cannot_be_read__is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MERIT_DATABASE_URL_FILE", str(tmp_path / "absent"))
    with pytest.raises(InvalidSettingError, match=r"MERIT_DATABASE_URL_FILE names a file that cannot be read"):
        Settings.load()


@pytest.mark.parametrize(
    ("name", "value"), [("BATCH_LEAVES", "0"), ("BATCH_LEAVES", "many"), ("PORT", "70000"), ("POLL_INTERVAL", "0")]
)
def test_value__out_of_range__is_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"MERIT_{name}", value)
    with pytest.raises(InvalidSettingError, match=rf"^MERIT_{name} cannot be used \(.*\); set another value\.$"):
        Settings.load()


def test_key__missing_or_malformed__is_refused_without_being_quoted() -> None:
    with pytest.raises(KeyFileError, match="set MERIT_KEYSTORE"):
        Settings.load().account()
    secret = "0xnot-a-key-but-still-a-secret"
    with pytest.raises(KeyFileError) as refusal:
        Settings.load(private_key=secret).account()
    assert secret not in str(refusal.value)
    assert refusal.value.__suppress_context__


def test_secrets__are_not_in_the_representation() -> None:
    shown = repr(Settings.load(private_key=KEY, database_url="postgresql://merit:hunter2@db/merit"))
    assert KEY not in shown
    assert "hunter2" not in shown


def test_database_url__malformed__is_refused_in_one_sentence() -> None:
    for url in ("not a url", "oracle://somewhere/else"):
        with pytest.raises(InvalidSettingError, match="MERIT_DATABASE_URL is not a database's URL"):
            Database(url)


@pytest.mark.parametrize(
    ("url", "named", "expected"),
    [
        ("sqlite:///folder/backend.db", None, Path("folder/outbox.sqlite")),
        ("sqlite:////var/merit/backend.db?timeout=1", None, Path("/var/merit/outbox.sqlite")),
        ("sqlite:///folder/backend.db", Path("named"), Path("named")),
        ("postgresql://merit@/merit", None, None),
        ("postgresql://merit@/merit", Path("named"), Path("named")),
    ],
)
def test_outbox__is_beside_a_sqlite_database_unless_it_is_named(
    url: str, named: Path | None, expected: Path | None
) -> None:
    assert Settings.load(database_url=url, outbox=named).outbox_file == expected
