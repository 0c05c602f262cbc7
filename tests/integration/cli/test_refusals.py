"""Wrong input at every entry point: one sentence that says what to do, a status that is not zero, nothing changed."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chain.job_terms import Kind, Terms
from chain.network import Network
from chain.parameters import TOKEN
from chain.sender import TransactionSender

pytestmark = pytest.mark.chain
Merit = Callable[..., Any]
NOWHERE = "http://127.0.0.1:9"


def terms(network: Network, **changes: Any) -> tuple[Any, ...]:
    now = network.web3.eth.get_block("latest")["timestamp"]
    given: dict[str, Any] = {
        "kind": Kind.INFERENCE,
        "price": TOKEN // 100,
        "audit_fee": TOKEN,
        "slash_per_unit": TOKEN // 10,
        "audit_rate_floor": 1_200,
        "audit_rate_ceiling": 10_000,
        "committee_size": 3,
        "samples": 4,
        "words": 1,
        "tau": 60,
        "soft": 80,
        "hard": 100,
        "expiry": now + 1_000,
        "specification": b"\x01" * 32,
    }
    return Terms(**given | changes).as_tuple()


@pytest.mark.parametrize(
    "words",
    [
        ["deploy"],
        ["serve"],
        ["status"],
        ["stake", "deposit", "1"],
        ["verifier", "join"],
        ["verifier", "run"],
        ["contracts", "verify"],
    ],
)
def test_chain_down__every_command__says_that_no_chain_answers(merit: Merit, words: list[str]) -> None:
    answer = merit(*words, "--rpc", NOWHERE)
    assert answer.status == 1
    assert answer.refusal == f"No chain answers at {NOWHERE}; start one, or name another with --rpc."


def test_no_deployment__says_to_deploy(merit: Merit, rpc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    answer = merit("status", "--rpc", rpc)
    assert answer.status == 1
    assert "run `merit deploy`" in answer.refusal


def test_bad_key__is_not_quoted(merit: Merit, rpc: str, deployed: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERIT_PRIVATE_KEY", "0xsecret")
    answer = merit("stake", "deposit", "1", "--rpc", rpc)
    assert answer.status == 1
    assert answer.refusal == "MERIT_PRIVATE_KEY does not hold a private key: 0x and 64 hexadecimal digits."


def test_missing_keystore__is_named(merit: Merit, rpc: str, deployed: Network, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x")
    answer = merit("verifier", "join", "--rpc", rpc, "--keystore", "absent.json", "--password-file", "password")
    assert answer.status == 1
    assert "Cannot read the key file absent.json" in answer.refusal


def test_no_stake__says_how_much_is_needed(merit: Merit, rpc: str, deployed: Network) -> None:
    answer = merit("verifier", "join", "--rpc", rpc)
    assert answer.status == 1
    assert "has 0 of stake for this, but 100 is needed; deposit more with `merit stake deposit`." in answer.refusal


def test_deposit_beyond_balance__is_refused(merit: Merit, rpc: str, deployed: Network) -> None:
    answer = merit("stake", "deposit", "1000000000", "--rpc", rpc)
    assert answer.status == 1
    assert "get more first" in answer.refusal


@pytest.mark.parametrize("amount", ["0", "-1", "a", "1e-19", "nan", "inf"])
def test_bad_amount__is_refused_before_the_chain_is_asked(merit: Merit, amount: str) -> None:
    answer = merit("stake", "deposit", "--rpc", NOWHERE, "--", amount)
    assert answer.status == 1
    assert "is not an amount" in answer.refusal


def test_stake_and_back__changes_what_status_shows(merit: Merit, rpc: str, deployed: Network) -> None:
    assert merit("stake", "deposit", "200", "--rpc", rpc).out.strip() == "200"
    assert merit("verifier", "join", "--rpc", rpc).status == 0
    assert merit("stake", "unbond", "50", "--rpc", rpc).status == 0
    early = merit("stake", "withdraw", "--rpc", rpc)
    assert early.status == 1
    assert "has nothing to withdraw yet" in early.refusal
    shown = merit("status", "--rpc", rpc)
    assert shown.status == 0
    assert "150" in shown.out
    assert merit("verifier", "leave", "--rpc", rpc).status == 0


def test_closed_job__is_said_to_be_closed(merit: Merit, deployed: Network, operator: TransactionSender) -> None:
    operator.send(deployed.token.functions.approve(deployed.escrow.address, 10 * TOKEN))
    operator.send(deployed.escrow.functions.open(terms(deployed), 5 * TOKEN))
    job = deployed.escrow.functions.jobCount().call()
    operator.send(deployed.escrow.functions.close(job))
    with pytest.raises(Exception, match=rf"Job {job} is closed; submit to an open one\."):
        operator.send(deployed.escrow.functions.topUp(job, TOKEN))


def test_terms_under_which_cheating_pays__are_refused(deployed: Network, operator: TransactionSender) -> None:
    with pytest.raises(Exception, match=r"Under these terms cheating pays: .* 9\.1 % is needed"):
        operator.send(deployed.escrow.functions.open(terms(deployed, audit_rate_floor=100), 5 * TOKEN))


def test_port_taken__is_said_by_serve(rpc: str, deployed: Network, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "scripts.cli", "serve", "--rpc", rpc, "--port", str(port)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1 port {port}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "lists no work"),
        ("{}", "Line 1"),
        ('{"units": 0, "trace_root": "0x' + "00" * 32 + '", "evidence": {}}', "units must be a positive whole number"),
        ('{"units": 1, "trace_root": "0x00", "evidence": {}}', "trace_root 32 bytes"),
    ],
)
def test_submit__malformed_work__names_the_line(merit: Merit, tmp_path: Path, line: str, sentence: str) -> None:
    (tmp_path / "work.jsonl").write_text(line + "\n")
    answer = merit("submit", str(tmp_path / "work.jsonl"), "--job", "1", "--rpc", NOWHERE)
    assert answer.status == 1
    assert sentence in answer.refusal


def test_reputation__bad_edge_list__names_the_line(merit: Merit, tmp_path: Path) -> None:
    (tmp_path / "edges.csv").write_text("a,b,1\na,a,1\n")
    answer = merit("reputation", str(tmp_path / "edges.csv"), "--seed", "a")
    assert answer.status == 1
    assert "line 2" in answer.refusal
