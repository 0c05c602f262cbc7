"""`merit epoch` on a chain of its own, against rows that an evidence store serves."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from eth_account import Account

from chain.calls import read
from chain.sender import TransactionSender
from scripts.epoch_stage import CHALLENGE_WINDOW, EpochStage, open_stage
from verifier.epochs.boundary import TRUST
from verifier.epochs.history import EpochHistory
from verifier.epochs.rows import build_rows
from verifier.epochs.tree import RowTree

from .conftest import Merit

pytestmark = pytest.mark.chain

ACCOUNTS = sorted((Account.from_key(bytes([number]) * 32).address for number in range(1, 5)), key=str.lower)
PROPOSER = 901


class Evidence(SimpleHTTPRequestHandler):
    """A folder as `/v1/evidence`, without a log."""

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's signature
        """Requests are not news."""


class Epoch:
    """A closed epoch of four accounts; `words` name the stage to a command."""

    def __init__(self, stage: EpochStage, folder: Path, port: int) -> None:
        self.stage = stage
        self.folder = folder / "v1" / "evidence"
        self.folder.mkdir(parents=True)
        stage.network.deployment.save(folder / "deployment.json")
        chain = ["--rpc", str(stage.network.web3.provider.endpoint_uri), "--deployment", f"{folder}/deployment.json"]
        self.words = [*chain, "--evidence", f"http://127.0.0.1:{port}"]
        for source, target in ((0, 1), (0, 2), (1, 2), (2, 3), (3, 2)):
            stage.record(TRUST, ACCOUNTS[source], ACCOUNTS[target], 10**18)
        self.number = stage.close_epoch()
        history = EpochHistory(stage.network)
        history.advance()
        self.rows = build_rows(history.graph(), history.parameters())
        stage.funded(PROPOSER)

    def propose(self, tree: RowTree) -> None:
        digest = hashlib.sha256(tree.document).digest()
        (self.folder / digest.hex()).write_bytes(tree.document)
        account = Account.from_key(PROPOSER.to_bytes(32, "big"))
        self.stage.propose(TransactionSender(self.stage.network.web3, account), tree, digest)


@pytest.fixture
def epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Epoch]:
    monkeypatch.delenv("MERIT_PRIVATE_KEY", raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Evidence, directory=str(tmp_path)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    with open_stage({ACCOUNTS[0]: 1.0}) as stage:
        yield Epoch(stage, tmp_path, server.server_address[1])
    server.shutdown()
    server.server_close()
    thread.join()


def test_epoch__that_is_right__is_verified_and_its_scores_are_proven(merit: Merit, epoch: Epoch) -> None:
    assert "No proposal for epoch 1 is live" in merit("epoch", "verify", *epoch.words).refusal
    assert "The scores of no epoch are final yet" in merit("epoch", "proof", ACCOUNTS[2], *epoch.words).refusal
    tree = RowTree(epoch.number, epoch.rows)
    epoch.propose(tree)
    answer = merit("epoch", "verify", *epoch.words)
    assert answer.status == 0, answer.err
    assert answer.out.startswith("The proposal for epoch 1 is right: all 4 rows pass")
    told = json.loads(merit("epoch", "verify", "--json", *epoch.words).out)
    assert told["error_bound"] == (4 + 5) / 2**44 / (round(0.4 * 2**44) / 2**44)
    challenged = json.loads(merit("epoch", "challenge", "--json", *epoch.words).out)
    assert challenged["done"] == []

    epoch.stage.move_on(CHALLENGE_WINDOW)
    oracle = epoch.stage.network.oracle.functions
    epoch.stage.bank.send(oracle.finalize(1))
    proven = json.loads(merit("epoch", "proof", ACCOUNTS[2], "--json", *epoch.words).out)
    row, proof = tuple(proven["row"].values()), [bytes.fromhex(node[2:]) for node in proven["proof"]]
    assert read(oracle.verifyScore(1, row, proof))
    assert f"row   ({', '.join(map(str, row))})" in merit("epoch", "proof", ACCOUNTS[2], *epoch.words).out
    stranger = Account.from_key(b"\x63" * 32).address
    assert "has no feedback up to epoch 1" in merit("epoch", "proof", stranger, *epoch.words).refusal
    assert (
        "The scores of epoch 2 are not final" in merit("epoch", "proof", stranger, "--epoch", "2", *epoch.words).refusal
    )

    epoch.stage.record(TRUST, ACCOUNTS[0], ACCOUNTS[3], 10**18)
    epoch.stage.close_epoch()  # from here on only the published rows tell what epoch 1 was
    assert json.loads(merit("epoch", "proof", ACCOUNTS[2], "--json", *epoch.words).out) == proven
    for file in epoch.folder.iterdir():
        file.unlink()
    assert "Nobody has the rows of epoch 1" in merit("epoch", "proof", ACCOUNTS[2], *epoch.words).refusal


def test_epoch__that_is_wrong__is_told_by_its_row_and_voided(merit: Merit, epoch: Epoch) -> None:
    lie = [*epoch.rows[:3], replace(epoch.rows[3], score=epoch.rows[3].score + 1)]
    epoch.propose(RowTree(epoch.number, lie))
    answer = merit("epoch", "verify", *epoch.words)
    assert answer.status == 1
    sentence = f"The proposal for epoch 1 is wrong: the score of row 3 ({ACCOUNTS[3]}) does not follow from the row.\n"
    assert answer.out == sentence
    challenged = merit("epoch", "challenge", *epoch.words)
    assert challenged.status == 0, challenged.err
    assert challenged.out.startswith(sentence + "The proposal for epoch 1 is void")
    assert merit("epoch", "verify", *epoch.words).status == 1
    assert "No proposal is live." in merit("epoch", "challenge", *epoch.words).out
