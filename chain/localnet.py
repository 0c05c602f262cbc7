"""A local chain for the demo and the tests: anvil from the npm package, or any anvil on the path."""

import platform
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from chain.errors import ChainUnavailableError

# The first account of the development mnemonic that anvil and Hardhat share; funded on local chains only.
DEVELOPMENT_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@contextmanager
def local_chain(*options: str, port: int | None = None) -> Iterator[str]:
    """Run anvil with `options` while the block runs, on a free port unless one is named; yields its URL."""
    port = port or free_port()
    # anvil writes old states to the disk, gigabytes in a day, and leaves them in the home folder when it is stopped.
    with tempfile.TemporaryDirectory(prefix="merit-chain-") as states:
        command = [str(_anvil()), "--port", str(port), "--silent", "--cache-path", states, *options]
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
        url = f"http://127.0.0.1:{port}"
        try:
            _await_answer(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=10)


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _anvil() -> Path:
    system = platform.system().lower()
    architecture = _ARCHITECTURES.get(platform.machine().lower(), platform.machine().lower())
    packages = Path(__file__).parent.parent / "node_modules" / "@foundry-rs"
    for candidate in (packages / f"anvil-{system}-{architecture}" / "bin" / "anvil", shutil.which("anvil")):
        if candidate is not None and Path(candidate).exists():
            return Path(candidate)
    raise ChainUnavailableError("anvil is not installed; run `npm ci`, or put anvil on the path.")


def _await_answer(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    query = '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ChainUnavailableError(f"anvil did not start at {url}; is the port taken? Choose another.")
        try:
            if requests.post(url, data=query, headers={"Content-Type": "application/json"}, timeout=1).ok:
                return
        except requests.RequestException:
            time.sleep(0.05)
    raise ChainUnavailableError(f"anvil does not answer at {url}.")
