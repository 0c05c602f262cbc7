"""The node as an operator runs it: a process with settings from its environment, ended by a signal."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from chain.localnet import free_port

pytestmark = pytest.mark.chain


def _environment(world: Any, folder: Path, **changes: str) -> dict[str, str]:
    world.network.deployment.save(folder / "deployment.json")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("MERIT_")},
        "MERIT_RPC_URL": world.web3.provider.endpoint_uri,
        "MERIT_DEPLOYMENT": str(folder / "deployment.json"),
        "MERIT_DATA_DIRECTORY": str(folder / "node"),
        "MERIT_PRIVATE_KEY": world.verifiers[0].key.to_0x_hex(),
        "MERIT_POLL_SECONDS": "0.1",
        "MERIT_STATUS_PORT": str(free_port()),
        **changes,
    }


def _start(environment: dict[str, str]) -> subprocess.Popen[str]:
    program = "from verifier.node.run import run; from verifier.node.settings import NodeSettings; run(NodeSettings())"
    return subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=subprocess.PIPE, text=True)


def _await_ready(environment: dict[str, str], process: subprocess.Popen[str]) -> dict[str, Any]:
    url = f"http://127.0.0.1:{environment['MERIT_STATUS_PORT']}"
    for _ in range(300):
        assert process.poll() is None
        try:
            if httpx.get(f"{url}/ready").is_success:
                status: dict[str, Any] = httpx.get(f"{url}/status").json()
                return status
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("the node never became ready")


def test_run__terminated__ends_cleanly_and_tells_no_secret(world: Any, tmp_path: Path) -> None:
    environment = _environment(world, tmp_path)
    node = _start(environment)
    status = _await_ready(environment, node)
    node.send_signal(signal.SIGTERM)
    _, written = node.communicate(timeout=60)
    assert node.returncode == 0
    assert status["verifier"] == world.verifiers[0].address
    lines = [json.loads(line) for line in written.splitlines()]
    assert [line["event"] for line in lines] == ["status_served", "node_started", "node_stopped"]
    secret = environment["MERIT_PRIVATE_KEY"][2:]
    assert secret not in written + json.dumps(status)
    for file in (tmp_path / "node").iterdir():
        assert bytes.fromhex(secret) not in file.read_bytes()
        assert secret.encode() not in file.read_bytes()


@pytest.mark.long
def test_run__endpoints_fail_for_a_while__recovers_and_tells_no_secret(
    world: Any, tmp_path: Path, faulty_endpoint: Callable[[str], Any], faults: Any
) -> None:
    endpoint = faulty_endpoint(world.web3.provider.endpoint_uri)
    environment = _environment(
        world,
        tmp_path,
        MERIT_RPC_URL=f"{endpoint.url.replace('//', '//user:Sesame1@')}/Sesame2?key=Sesame3,{endpoint.url}/Sesame4",
        MERIT_EVIDENCE_URLS=f"http://user:Sesame5@127.0.0.1:{free_port()}/Sesame6",
    )
    node = _start(environment)
    _await_ready(environment, node)
    url = f"http://127.0.0.1:{environment['MERIT_STATUS_PORT']}"
    heard = []
    for fault in (faults.BROKEN, faults.NONSENSE, faults.DROP):
        endpoint.fault = lambda _, fault=fault: fault
        failed = _failed_looks(url)
        while _failed_looks(url) < failed + 2:
            time.sleep(0.1)
        heard += [httpx.get(f"{url}{path}").text for path in ("/health", "/ready", "/status", "/metrics")]
    endpoint.fault = lambda _: faults.NONE
    # Work to look for, so that the silent evidence store is asked as well.
    world.provider().serve(world.job_id, [world.order(0)])
    world.mine(5)
    while '"audits": {"recorded": 0, "commit": 0' in httpx.get(f"{url}/status").text:
        time.sleep(0.1)
    node.send_signal(signal.SIGTERM)
    _, written = node.communicate(timeout=60)
    assert node.returncode == 0
    assert "look_failed" in written
    kept = b"".join(file.read_bytes() for file in (tmp_path / "node").iterdir())
    for secret in (environment["MERIT_PRIVATE_KEY"][2:], "Sesame"):
        assert secret not in written + "".join(heard)
        assert secret.encode() not in kept
    assert bytes.fromhex(environment["MERIT_PRIVATE_KEY"][2:]) not in kept


def _failed_looks(url: str) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith('merit_node_looks_total{outcome="failed"}'))


def test_run__second_node_with_the_same_journal__refused(world: Any, tmp_path: Path) -> None:
    environment = _environment(world, tmp_path)
    first = _start(environment)
    _await_ready(environment, first)
    second = _start({**environment, "MERIT_STATUS_PORT": str(free_port())})
    _, written = second.communicate(timeout=60)
    assert second.returncode != 0
    assert "Another node uses the journal" in written
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=60)
    assert first.returncode == 0
