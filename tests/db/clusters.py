"""A PostgreSQL server of a test's own, which may be stopped and started."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.served import free_port


@dataclass(frozen=True)
class Cluster:
    """A server with its data."""

    binaries: Path
    data: Path
    port: int

    @property
    def url(self) -> str:
        """Where it listens while it runs."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -k {self.data} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=30"
        self.run("pg_ctl", "-D", self.data, "-l", self.data / "log", "-o", options, "-w", "start")

    def stop(self) -> None:
        """Stop it: open transactions are rolled back, connections closed."""
        self.run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run one of PostgreSQL's programs, which refuse to be root's."""
        as_user: dict[str, Any] = {}
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            as_user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        subprocess.run(
            [self.binaries / program, *arguments],
            check=True,
            cwd=self.data.parent,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=60,
            **as_user,
        )


@contextmanager
def cluster() -> Generator[Cluster]:
    """A running server, removed at the end; skips where PostgreSQL's programs, or a user for them, are missing."""
    found = shutil.which("initdb") or max(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)
    if found is None:
        pytest.skip("PostgreSQL's initdb is not installed")
    # Not in `tmp_path`: that is closed to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="fastapi-kit-") as directory:
        if os.getuid() == 0:
            try:
                shutil.chown(directory, "postgres", "postgres")
            except LookupError:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        made = Cluster(Path(found).parent, Path(directory) / "data", free_port())
        made.run("initdb", "-D", made.data, "-U", "postgres", "-A", "trust", "-N")
        made.start()
        try:
            yield made
        finally:
            if (made.data / "postmaster.pid").exists():
                made.run("pg_ctl", "-D", made.data, "-m", "immediate", "-w", "stop")
