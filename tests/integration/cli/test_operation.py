"""What an operator does: make a key, stake with it, look after the node, move it, and ask whether all is well."""

import json
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from web3.types import RPCEndpoint

from chain.localnet import DEVELOPMENT_KEY, free_port
from chain.network import Network
from chain.parameters import TOKEN
from chain.sender import TransactionSender
from verifier.node.decisions import ChainTime
from verifier.node.journal import Journal, JournalOwner
from verifier.node.server import serve
from verifier.node.telemetry import Telemetry

pytestmark = pytest.mark.chain
Merit = Callable[..., Any]


@pytest.fixture
def password(tmp_path: Path) -> str:
    (tmp_path / "password").write_text("correct horse\n")
    return str(tmp_path / "password")


@pytest.fixture
def journal(deployed: Network, operator: TransactionSender, tmp_path: Path) -> Path:
    """A stopped node's data directory, with one audit behind it."""
    owner = JournalOwner(deployed.deployment.chain_id, deployed.domain.court, operator.address)
    with closing(Journal.open(tmp_path / "merit-node" / "journal.sqlite", owner)) as journal:
        journal.record_result(b"\x01" * 32, 3 * TOKEN, TOKEN)
        journal.record_spending(b"\x02" * 32, b"\x01" * 32, "commit", 100_000, 10**10)
    return tmp_path / "merit-node"


def finding(answer: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in json.loads(answer.out) if entry["name"] == name)
    return found


def test_keys__new__listed_shown_and_good_for_staking(
    merit: Merit, rpc: str, deployed: Network, operator: TransactionSender, password: str
) -> None:
    address = merit("keys", "new", "--password-file", password).out.strip()
    assert json.loads(merit("keys", "list", "--json").out) == {address: f"keys/{address}.json"}
    shown = json.loads(merit("keys", "show", address, "--password-file", password, "--json").out)
    assert shown["address"] == address
    operator.send(deployed.token.functions.transfer(address, 100 * TOKEN))
    deployed.web3.provider.make_request(RPCEndpoint("anvil_setBalance"), [address, hex(10**18)])
    key = ["--keystore", shown["file"], "--password-file", password, "--rpc", rpc]
    assert merit("stake", "deposit", "100", *key).out.strip() == "100"
    assert json.loads(merit("stake", "status", "--json", *key).out)["staked"] == 100 * TOKEN


def test_keys__import__the_address_of_the_key_and_never_the_key(merit: Merit, password: str, tmp_path: Path) -> None:
    (tmp_path / "raw").write_text(DEVELOPMENT_KEY + "\n")
    words = ["--directory", str(tmp_path / "k"), "--password-file", password, "--key-file", str(tmp_path / "raw")]
    answer = merit("keys", "import", *words)
    assert answer.out.strip() == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert DEVELOPMENT_KEY[2:] not in answer.out + answer.err
    again = merit("keys", "import", *words)
    assert again.status == 1
    assert "exists already" in again.refusal


def test_keys__show_unknown__says_where_to_look(merit: Merit, tmp_path: Path) -> None:
    answer = merit("keys", "show", "0x" + "11" * 20, "--directory", str(tmp_path))
    assert answer.status == 1
    assert "`merit keys list` shows those there are" in answer.refusal


@pytest.mark.parametrize("text", ["none", "-1", "nan", "inf", "0"])
def test_fee_limit__not_an_amount__refused(
    merit: Merit, rpc: str, deployed: Network, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("MERIT_MAX_FEE_GWEI", text)
    answer = merit("verifier", "leave", "--rpc", rpc)
    assert answer.status == 1
    assert "MERIT_MAX_FEE_GWEI is not an amount" in answer.refusal


def test_fee_limit__below_what_the_chain_asks__nothing_is_sent(
    merit: Merit, rpc: str, deployed: Network, operator: TransactionSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERIT_MAX_FEE_GWEI", "0.000000001")
    before = deployed.web3.eth.get_transaction_count(operator.address)
    answer = merit("stake", "deposit", "1", "--rpc", rpc)
    assert answer.status == 1
    assert "wait, or raise MERIT_MAX_FEE_GWEI" in answer.refusal
    assert deployed.web3.eth.get_transaction_count(operator.address) == before


def test_verifier_status__node_stopped__profit_from_its_journal(merit: Merit, rpc: str, journal: Path) -> None:
    nowhere = ["--rpc", rpc, "--node", f"http://127.0.0.1:{free_port()}"]
    shown = json.loads(merit("verifier", "status", "--json", *nowhere).out)
    assert (shown["running"], shown["earned"], shown["lost"], shown["profit"]) == (False, 3 * TOKEN, TOKEN, 2 * TOKEN)
    assert shown["gas_spent_wei"] == 10**15
    assert "2 tokens" in merit("verifier", "status", *nowhere).out


def test_verifier_status__node_runs__its_duties(
    merit: Merit, rpc: str, deployed: Network, operator: TransactionSender
) -> None:
    telemetry = Telemetry()
    duty = {"batch": "ab" * 32, "step": "commit", "seconds_left": 12}
    known = {"verifier": operator.address, "earned": "5", "lost": "0", "gas_spent_wei": "7", "duties": [duty]}
    with serve(telemetry, "127.0.0.1", 0) as port:
        words = ["verifier", "status", "--rpc", rpc, "--node", f"http://127.0.0.1:{port}"]
        assert "has not read the chain yet" in merit(*words).refusal
        telemetry.looked(ChainTime(1, 1), {}, 1, known)
        shown = json.loads(merit(*words, "--json").out)
        assert (shown["running"], shown["ready"], shown["profit"], shown["duties"]) == (True, True, 5, [duty])
        assert f"commit for batch {'ab' * 32} within 12 s" in merit(*words).out


def test_verifier_status__nothing_there__names_the_journal(
    merit: Merit, rpc: str, deployed: Network, tmp_path: Path
) -> None:
    answer = merit("verifier", "status", "--rpc", rpc, "--node", f"http://127.0.0.1:{free_port()}")
    assert answer.status == 1
    assert "There is no journal at merit-node/journal.sqlite" in answer.refusal


def test_verifier_export__then_import__works_there_and_no_longer_here(
    merit: Merit, rpc: str, deployed: Network, operator: TransactionSender, journal: Path, tmp_path: Path
) -> None:
    owner = JournalOwner(deployed.deployment.chain_id, deployed.domain.court, operator.address)
    assert merit("verifier", "export", "moved", "--data", str(journal)).out.strip() == "moved"
    refused = merit("verifier", "run", "--rpc", rpc, "--data", str(journal))
    assert refused.status == 1
    assert "was exported to another machine" in refused.refusal
    assert "was exported" in merit("verifier", "export", "twice", "--data", str(journal)).refusal
    there = tmp_path / "there"
    assert merit("verifier", "import", "moved", "--data", str(there)).out.strip() == operator.address
    assert "name the file that was exported" in merit("verifier", "import", "moved", "--data", "elsewhere").refusal
    Journal.open(there / "journal.sqlite", owner).close()


def test_doctor__nothing_is_well__one_line_each_and_status_one(
    merit: Merit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nowhere = f"http://127.0.0.1:{free_port()}"
    answer = merit("doctor", "--rpc", nowhere, "--evidence", nowhere)
    assert answer.status == 1
    lines = answer.out.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["BAD", "rpc"],
        ["BAD", "models"],
        ["BAD", "evidence"],
        ["ok", "port"],
        ["ok", "disk"],
    ]
    assert "No chain answers at" in lines[0]


def test_doctor__verifier_ready__all_is_well(
    merit: Merit, rpc: str, deployed: Network, models: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.getbasetemp() / "demonstration-models"
    merit("stake", "deposit", "200", "--rpc", rpc)
    merit("verifier", "join", "--rpc", rpc)
    telemetry = Telemetry()
    with serve(telemetry, "127.0.0.1", 0) as port:
        url = f"http://127.0.0.1:{port}"
        words = ["doctor", "--rpc", rpc, "--evidence", url, "--models", str(directory), "--json"]
        answer = merit(*words, "--port", str(port))
    assert answer.status == 0, answer.out
    assert {entry["name"] for entry in json.loads(answer.out)} == {
        "rpc", "chain id", "clock", "balance", "stake", "models", "evidence", "port", "disk",
    }  # fmt: skip
    assert "the running node's" in finding(answer, "port")["detail"]
    merit("verifier", "leave", "--rpc", rpc)


def test_doctor__each_trouble__is_named(
    merit: Merit,
    rpc: str,
    deployed: Network,
    operator: TransactionSender,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MERIT_PRIVATE_KEY", "0x" + "77" * 32)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / f"{'ab' * 32}.json").write_text("{}")
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2**20}))
    monkeypatch.setattr("time.time", lambda: 0.0)
    monkeypatch.setattr("scripts.cli.doctor._SECONDS", 0.5)  # what has taken the port never answers
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answer = merit("doctor", "--rpc", rpc, "--json", "--port", str(taken.getsockname()[1]))
    assert answer.status == 1
    for name, sentence in {
        "clock": "behind the newest block; set the clock",
        "balance": "0 for gas; send 0x",
        "stake": "deposit more with `merit stake deposit`",
        "models": "does not have the hash that it is named by",
        "port": "set MERIT_STATUS_PORT",
        "disk": "make room",
    }.items():
        assert not finding(answer, name)["well"]
        assert sentence in finding(answer, name)["detail"]
