"""Connections to PostgreSQL, and its errors as sentences that say what to do. Passwords never appear in any."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import errors

from mlbsdk.plugin import ConfigurationError, MlbsdkError

OLDEST = 14
_CONNECT_SECONDS = "10"
_OWN_PARAMETERS = ("table",)


@dataclass(frozen=True)
class Database:
    """An address such as ``postgresql://user@host/database?table=game.live_game_v1``.

    What it leaves out comes from the standard places of libpq: ``PGPASSWORD`` and its siblings, ``~/.pgpass``,
    ``PGSERVICE``. ``parameters`` are mlbsdk's own, taken out of the query.
    """

    address: str
    parameters: dict[str, str]

    @classmethod
    def parse(cls, address: str) -> Database:
        """Read an address.

        Raises:
            ConfigurationError: libpq does not understand it.
        """
        parts = urlsplit(address)
        query = parse_qsl(parts.query, keep_blank_values=True)
        own = {name: value for name, value in query if name in _OWN_PARAMETERS}
        rest = urlencode([(name, value) for name, value in query if name not in _OWN_PARAMETERS])
        plain = urlunsplit((parts.scheme, parts.netloc, parts.path, rest, ""))
        try:
            psycopg.conninfo.conninfo_to_dict(plain)
        except psycopg.ProgrammingError as problem:
            raise ConfigurationError(
                f"'{address}' is no address of a PostgreSQL database: {_first_line(problem)}",
                fix="Write postgresql://USER@HOST:PORT/DATABASE; the password belongs into PGPASSWORD or ~/.pgpass.",
            ) from None
        return cls(plain, own)

    @property
    def shown(self) -> str:
        """The address as a person may see it: without user, password and parameters."""
        known = psycopg.conninfo.conninfo_to_dict(self.address)
        place = f"{known.get('host', 'localhost')}:{known.get('port', 5432)}"
        return f"'{known.get('dbname', known.get('user', ''))}' at {place}"

    def connect(self, *, autocommit: bool = False) -> psycopg.Connection:
        """Open a connection, in UTC.

        Raises:
            psycopg.OperationalError: it can't be opened.
        """
        made = psycopg.connect(
            self.address,
            autocommit=autocommit,
            application_name="mlbsdk",
            connect_timeout=int(_CONNECT_SECONDS),
            options="-c timezone=UTC -c client_min_messages=warning -c datestyle=ISO,MDY",
        )
        version = made.info.server_version // 10000
        if version < OLDEST:
            made.close()
            raise ConfigurationError(f"PostgreSQL {version} is too old: mlbsdk needs {OLDEST} or newer")
        return made


def dataset(connection: psycopg.Connection, table: str) -> tuple[str, str]:
    """Return a table's OpenLineage dataset (namespace, name)."""
    info = connection.info
    return f"postgres://{info.host or 'localhost'}:{info.port}", f"{info.dbname}.{table}"


@contextlib.contextmanager
def explained(what: str, kind: type[MlbsdkError]) -> Iterator[None]:
    """Turn PostgreSQL's errors into ``kind``, with the reason and what to do about it.

    Args:
        what: what was being done, such as ``can't read 'game.live_game_v1'``.
        kind: SourceError, TargetUnwritableError or WriteError.
    """
    try:
        yield
    except psycopg.Error as problem:
        raise kind(f"{what}: {reason(problem)}", fix=advice(problem)) from problem


def reason(problem: psycopg.Error) -> str:
    """Return the database's own words on one line."""
    primary = problem.diag.message_primary
    if primary is None:
        return _first_line(problem)
    return ": ".join(part for part in (primary, problem.diag.message_detail) if part)


def advice(problem: psycopg.Error) -> str:
    """Return what to do about an error."""
    text = str(problem)
    if isinstance(problem, errors.InvalidPassword) or "password authentication failed" in text or "no password" in text:
        return "Give the right password in PGPASSWORD or ~/.pgpass."
    if isinstance(problem, errors.InvalidCatalogName) or ("database" in text and "does not exist" in text):
        return "Create the database first (createdb), or correct its name."
    if isinstance(problem, errors.InsufficientPrivilege):
        return "Grant this role what docs/postgresql.md lists under 'Permissions'."
    if isinstance(problem, errors.DiskFull):
        return "Free space for the server; nothing of this batch was published. Then run again."
    if is_lost(problem):
        return "Nothing of this batch was published. Check that the server runs and can be reached, then run again."
    return "Nothing of this batch was published."


def is_lost(problem: BaseException) -> bool:
    """Whether the connection was lost or could not be made for the moment: trying again may help."""
    if not isinstance(problem, psycopg.OperationalError):
        return False
    state = problem.sqlstate
    # 57P01 to 57P03: the server shuts down, crashed or is starting; 08: the connection failed; None: libpq's own.
    return state is None or state.startswith("08") or state in ("57P01", "57P02", "57P03")


def may_pass(problem: BaseException) -> bool:
    """Whether doing the same again may succeed: the connection was lost, or another transaction was in the way."""
    in_the_way = isinstance(problem, errors.DeadlockDetected | errors.SerializationFailure)
    return in_the_way or is_lost(problem)


def _first_line(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__
