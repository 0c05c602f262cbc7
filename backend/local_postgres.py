"""A private PostgreSQL cluster for tests and benchmarks, as `chain.localnet` is a private chain."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's own programs, which Debian keeps off the search path; None where there is none."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda folder: int(folder.parent.name))


@contextmanager
def local_postgres(programs: Path, *, fsync: bool) -> Iterator[str]:
    """Run a cluster while the block runs, reachable through a socket in its folder only; yields that folder.

    fsync: whether a commit outlives a loss of power, as it has to where times are measured.
    """
    owner = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    with TemporaryDirectory(prefix="merit-pg-", dir="/tmp") as folder:
        if owner:
            shutil.chown(folder, owner)
        data = f"{folder}/data"
        _run(owner, f"{programs}/initdb", "-D", data, "-A", "trust", "-U", "merit")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync={'on' if fsync else 'off'}"
        control = [f"{programs}/pg_ctl", "-D", data, "-w", "-l", f"{folder}/log"]
        _run(owner, *control, "-o", options, "start")
        try:
            yield folder
        finally:
            _run(owner, *control, "-m", "immediate", "stop")


def create_database(folder: str, name: str) -> str:
    """A new, empty database of the cluster; returns its URL."""
    with psycopg.connect(host=folder, user="merit", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # a name cannot be a parameter
    return f"postgresql://merit@/{name}?host={folder}"


def _run(user: str | None, *command: str) -> None:
    subprocess.run(command, user=user, check=True, capture_output=True)
