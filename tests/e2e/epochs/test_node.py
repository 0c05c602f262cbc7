"""A node with `--watch-epochs`, as an operator runs it: a process that voids a wrong proposal by itself."""

import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from chain.localnet import free_port
from chain.parameters import TOKEN
from scripts.epoch_stage import BOND
from verifier.epochs.proposals import Status
from verifier.http_server import listening

from .conftest import NUMBERS, Play, told
from .test_epochs import wait_until

pytestmark = pytest.mark.chain

PROGRAM = "from verifier.node.run import run; from verifier.node.settings import NodeSettings; run(NodeSettings())"


def test_run__that_watches_epochs__voids_a_wrong_one_and_has_its_bounty(play: Play, tmp_path: Path) -> None:
    class Evidence(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            document = play.published.get(bytes.fromhex(self.path.rpartition("/")[2]))
            self.send_response(200 if document else 404)
            self.end_headers()
            self.wfile.write(document or b"")

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the library's signature
            """Nobody reads it."""

    play.propose(told(play, play.honest(), 5, visits=2**43))
    network = play.stage.network
    network.deployment.save(tmp_path / "deployment.json")
    with listening(Evidence, "127.0.0.1", 0, name="evidence", remedy="") as port:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MERIT_")},
            "MERIT_RPC_URL": str(network.web3.provider.endpoint_uri),  # type: ignore[attr-defined]
            "MERIT_DEPLOYMENT": str(tmp_path / "deployment.json"),
            "MERIT_DATA_DIRECTORY": str(tmp_path / "node"),
            "MERIT_PRIVATE_KEY": "0x" + NUMBERS["challenger"].to_bytes(32, "big").hex(),
            "MERIT_EVIDENCE_URLS": f"http://127.0.0.1:{port}",
            "MERIT_STATUS_PORT": str(free_port()),
            "MERIT_POLL_SECONDS": "0.1",
            "MERIT_WATCH_EPOCHS": "true",
        }
        node = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment, stderr=subprocess.PIPE, text=True)
        try:
            wait_until(lambda: play.tokens("challenger") == 10_000 * TOKEN + BOND // 2)
        finally:
            node.send_signal(signal.SIGTERM)
            _, written = node.communicate(timeout=60)
    assert play.proposal().status is Status.VOID
    assert play.fault() == "ROW"
    assert node.returncode == 0, written
    assert "epoch_disputed" in written
