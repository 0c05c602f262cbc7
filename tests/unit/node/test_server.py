"""What the node says about itself over HTTP."""

import re
import socket
from pathlib import Path

import httpx
import pytest

from verifier.http_server import PortTakenError
from verifier.node.decisions import ChainTime, Step
from verifier.node.server import serve
from verifier.node.telemetry import Telemetry


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def _get(telemetry: Telemetry, path: str) -> httpx.Response:
    with serve(telemetry, "127.0.0.1", 0) as port:
        return httpx.get(f"http://127.0.0.1:{port}{path}")


def _looked(telemetry: Telemetry) -> None:
    telemetry.looked(ChainTime(7, 1_000), {"commit": 2}, 1, {"verifier": "0xaa"})


def test_ready__before_the_first_look__not_yet() -> None:
    answer = _get(Telemetry(monotonic=Clock()), "/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "The node has not read the chain yet.")


def test_ready__chain_fails_for_a_while__not_ready_but_alive() -> None:
    clock = Clock()
    telemetry = Telemetry(silence=60, monotonic=clock)
    _looked(telemetry)
    assert _get(telemetry, "/ready").status_code == 200
    clock.time += 61
    telemetry.failed("The chain does not answer.")
    assert _get(telemetry, "/ready").json()["status"] == "The chain does not answer."
    assert _get(telemetry, "/health").status_code == 200
    _looked(telemetry)
    assert _get(telemetry, "/ready").status_code == 200


def test_health__loop_stands_still__says_so() -> None:
    clock = Clock()
    telemetry = Telemetry(silence=60, monotonic=clock)
    _looked(telemetry)
    clock.time += 61
    assert _get(telemetry, "/health").status_code == 503


def test_status__after_a_look__what_was_seen() -> None:
    telemetry = Telemetry()
    _looked(telemetry)
    assert _get(telemetry, "/status").json() == {"verifier": "0xaa", "ready": True, "trouble": None}


def test_metrics__after_steps__counted_by_name() -> None:
    telemetry = Telemetry()
    _looked(telemetry)
    telemetry.step(Step.COMMIT, "taken")
    telemetry.spent(Step.COMMIT, 12)
    text = _get(telemetry, "/metrics").text
    assert 'merit_node_steps_total{outcome="taken",step="commit"} 1.0' in text
    assert 'merit_node_gas_wei_total{step="commit"} 12.0' in text
    assert "merit_node_head_block 7.0" in text
    assert 'merit_node_audits{phase="commit"} 2.0' in text


def test_serve__unknown_path__not_found() -> None:
    assert _get(Telemetry(), "/").status_code == 404


def test_serve__port_taken__one_sentence_that_says_what_to_do() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(PortTakenError, match=f"127.0.0.1:{port}.*MERIT_STATUS_PORT"),
            serve(Telemetry(), "127.0.0.1", port),
        ):
            raise AssertionError("the port was taken")


def test_alerts__every_number_that_they_watch__is_served() -> None:
    documented = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")
    names = set(re.findall(r"merit_node_[a-z_]+", documented)) - {"merit_node"}
    served = Telemetry().metrics().decode()
    assert len(names) >= 7
    assert not {name for name in names if name.removesuffix("_bucket") not in served}
