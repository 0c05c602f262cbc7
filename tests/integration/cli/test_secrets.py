"""No key, password or access key of an endpoint in anything that any command writes, whatever goes wrong."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from eth_account import Account

from chain.keys import create_keystore
from chain.localnet import free_port
from chain.network import Network
from scripts.cli import app

pytestmark = pytest.mark.chain
Merit = Callable[..., Any]

KEY = "5e9b" * 16
PASSWORD = "Mellon42"
TOKEN = "Sesame99"
SECRETS = (KEY, PASSWORD, TOKEN)
# These run until they are interrupted, or compile for minutes, once the chain answers.
LASTING = (["serve"], ["verifier", "run"], ["contracts", "verify"])
# These end with a prompt, a model in training or another chain, and use no secret.
OTHER = (["demo"],)


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[list[str], Any]]:
    """Every command there is, with the words that name it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield [*words, name], command


ALL = [(words, command) for words, command in commands(typer.main.get_command(app)) if words not in OTHER]


@pytest.fixture
def folder(deployed: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a keystore, its password, and a wrong one."""
    create = Account.encrypt
    account = Account.from_key("0x" + KEY)
    monkeypatch.setattr(account, "encrypt", lambda password: create(account.key, password, iterations=2), raising=False)
    create_keystore(tmp_path / "secret", account, PASSWORD).rename(tmp_path / "secret" / "key.json")
    (tmp_path / "secret" / "password").write_text(PASSWORD)
    (tmp_path / "secret" / "wrong").write_text(PASSWORD[:-1] + "3")
    monkeypatch.chdir(tmp_path)
    # What is not given on the command's line is not asked for.
    monkeypatch.setattr("typer.prompt", lambda *_, **__: PASSWORD)
    # Nobody waits here for what is down to come back.
    sleep = time.sleep
    monkeypatch.setattr("time.sleep", lambda seconds: sleep(min(seconds, 0.001)))
    return tmp_path


def arguments(command: Any) -> list[str]:
    """Something for each argument and option that must be given."""
    words = []
    for parameter in command.params:
        if parameter.required:
            value = "1" if parameter.type_descriptor.annotation is int else "0x" + "11" * 20
            words += [parameter.opts[0], value] if parameter.opts[0].startswith("-") else [value]
    return words


def written(answer: Any, folder: Path) -> str:
    """All that a command left behind, but for the secrets that the test has put there."""
    files = [path for path in folder.rglob("*") if path.is_file() and "secret" not in path.parts]
    return str(answer.out + answer.err + "".join(path.read_bytes().decode("latin-1") for path in files))


TROUBLES = {
    "chain down": {"MERIT_RPC_URL": "http://u:{token}@{dead}/{token}?k={token},http://{dead}/{token}"},
    "chain broken": {"MERIT_RPC_URL": "{broken}/{token},{broken}/{token}"},
    "wrong password": {
        "MERIT_PRIVATE_KEY": "",
        "MERIT_KEYSTORE": "secret/key.json",
        "MERIT_PASSWORD_FILE": "secret/wrong",
    },
    "signer down": {"MERIT_PRIVATE_KEY": "", "MERIT_SIGNER_URL": "http://u:{token}@{dead}/{token}"},
    "malformed key": {"MERIT_PRIVATE_KEY": "0x" + KEY + PASSWORD},
    "no trouble": {},
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_every_command__known_secrets__in_nothing_that_is_written(
    merit: Merit,
    rpc: str,
    folder: Path,
    faulty_endpoint: Callable[[str], Any],
    faults: Any,
    trouble: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = faulty_endpoint(rpc)
    broken.fault = lambda _: faults.BROKEN
    known = {"token": TOKEN, "dead": f"127.0.0.1:{free_port()}", "broken": broken.url}
    environment = {
        "MERIT_RPC_URL": f"{rpc}/{{token}}",
        "MERIT_API_URL": "http://u:{token}@{dead}/{token}",
        "MERIT_EVIDENCE_URLS": "http://u:{token}@{dead}/{token}",
        "MERIT_PRIVATE_KEY": "0x" + KEY,
    }
    for name, value in (environment | TROUBLES[trouble]).items():
        monkeypatch.setenv(name, value.format(**known))
    for words, command in ALL:
        if trouble == "no trouble" and words in LASTING:
            continue
        answer = merit(*words, *arguments(command))
        text = written(answer, folder)
        for secret in SECRETS:
            assert secret.lower() not in text.lower(), (words, answer)
        assert "Traceback" not in answer.err, (words, answer.err)
