"""Connections to PostgreSQL, and its errors as sentences that say what to do. Passwords never appear in any."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

import psycopg
from psycopg import errors

from mlbsdk.plugin import ConfigurationError, MlbsdkError, SourceError, TargetUnwritableError

OLDEST = 14
_CONNECT_SECONDS = "10"
_UNPUBLISHED = "Nothing of this batch was published."
_OWN_PARAMETERS = ("table",)
_OPTIONS = "-c timezone=UTC -c client_min_messages=warning -c datestyle=ISO,MDY"


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
            ConfigurationError: libpq does not understand it, or it has a secret where it would be shown.
        """
        try:
            parts = urlsplit(address)
        except ValueError:  # its text may repeat the password
            raise _no_address(address) from None
        if not address.startswith(("postgresql://", "postgres://")):
            raise _no_address(f"postgresql:{address}")
        # libpq takes '+' as it stands, so what is not ours is handed on as it was written.
        query = [(unquote(part.partition("=")[0]), part) for part in parts.query.split("&") if part]
        _refuse_shown_secrets(parts, [name for name, _ in query])
        own = {name: unquote(part.partition("=")[2]) for name, part in query if name in _OWN_PARAMETERS}
        rest = "&".join(part for name, part in query if name not in _OWN_PARAMETERS)
        plain = f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{rest}" if rest else "")
        try:
            known = psycopg.conninfo.conninfo_to_dict(plain)
        except psycopg.ProgrammingError as problem:
            has_password = ":" in parts.netloc.rpartition("@")[0]
            # libpq repeats what it does not understand.
            raise _no_address(address, "" if has_password else f": {_first_line(problem)}") from None
        ports = str(known.get("port") or "").split(",")
        if not all(port.isdigit() for port in ports if port):
            raise _no_address(address, ": its port is no number")
        return cls(plain, own)

    @property
    def shown(self) -> str:
        """The address as a person may see it: without user, password and parameters."""
        known = psycopg.conninfo.conninfo_to_dict(self.address)
        place = f"{known.get('host', 'localhost')}:{known.get('port', 5432)}"
        return f"'{known.get('dbname', known.get('user', ''))}' at {place}"

    @property
    def _given_options(self) -> str:
        """Options for the server that the user gave, such as ``-c role=reader``."""
        given = psycopg.conninfo.conninfo_to_dict(self.address).get("options")
        return str(given or os.environ.get("PGOPTIONS", ""))

    def connect(self, *, autocommit: bool = False) -> psycopg.Connection:
        """Open a connection, in UTC.

        Raises:
            psycopg.OperationalError: it can't be opened.
        """
        made = psycopg.connect(
            self.address,
            autocommit=autocommit,
            application_name="mlbsdk",
            client_encoding="UTF8",
            connect_timeout=int(_CONNECT_SECONDS),
            options=" ".join(part for part in (self._given_options, _OPTIONS) if part),
        )
        version = made.info.server_version // 10000
        if version < OLDEST:
            made.close()
            raise ConfigurationError(f"PostgreSQL {version} is too old: mlbsdk needs {OLDEST} or newer")
        return made


def _no_address(address: str, why: str = "") -> ConfigurationError:
    return ConfigurationError(
        f"'{address}' is no address of a PostgreSQL database{why}",
        fix="Write postgresql://USER@HOST:PORT/DATABASE; the password belongs into PGPASSWORD or ~/.pgpass.",
    )


def _refuse_shown_secrets(parts: SplitResult, parameters: list[str]) -> None:
    for name in parameters:
        if name in ("password", "sslpassword"):
            raise ConfigurationError(
                f"the address has a parameter '{name}', and addresses are shown and stored",
                fix="The password belongs into PGPASSWORD or ~/.pgpass, sslpassword into a service file.",
            )
    beyond = parts.path + parts.query if "@" not in parts.netloc else ""
    if parts.netloc.count("@") > 1 or parts.fragment or "@" in beyond:
        raise ConfigurationError(
            "the address of the PostgreSQL database can't be taken apart: it has an '@', '/', '?' or '#' too many",
            fix="In a user or password write %40 for '@', %2F for '/', %3F for '?' and %23 for '#'.",
        )


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
        raise kind(f"{what}: {reason(problem)}", fix=advice(problem, kind)) from problem


def reason(problem: psycopg.Error) -> str:
    """Return the database's own words on one line."""
    primary = problem.diag.message_primary
    if primary is None:
        return _first_line(problem)
    return ": ".join(part for part in (primary, problem.diag.message_detail) if part)


def advice(problem: psycopg.Error, kind: type[MlbsdkError]) -> str:
    """Return what to do about an error that is raised as ``kind``."""
    outcome = "" if issubclass(kind, SourceError | TargetUnwritableError) else _UNPUBLISHED
    text = str(problem)
    if isinstance(problem, errors.InvalidPassword) or "password authentication failed" in text or "no password" in text:
        return "Give the right password in PGPASSWORD or ~/.pgpass."
    if isinstance(problem, errors.InvalidCatalogName) or ("database" in text and "does not exist" in text):
        return "Create the database first (createdb), or correct its name."
    if isinstance(problem, errors.InsufficientPrivilege) and issubclass(kind, SourceError):
        return "Grant this role USAGE on the schema and SELECT on the table."
    if "role" in text and "does not exist" in text:
        return "Create the role first (createuser), or correct the address's user."
    if isinstance(problem, errors.InsufficientPrivilege):
        return "Grant this role what docs/postgresql.md lists under 'Permissions'."
    if isinstance(problem, errors.DiskFull):
        return "Free space for the server; nothing of this batch was published. Then run again."
    if isinstance(problem, errors.UntranslatableCharacter) and "no equivalent in encoding" in text:
        return f"{outcome} Use a database whose encoding is UTF8.".strip()
    if isinstance(problem, errors.CharacterNotInRepertoire | errors.UntranslatableCharacter):
        is_escaped = isinstance(problem, errors.UntranslatableCharacter)  # in JSON
        rule = r"NOT contains(COLUMN, '\\u0000')" if is_escaped else "NOT contains(COLUMN, chr(0))"
        return f"{outcome} Refuse such rows by a rule of the mapping, {rule}, with --on-error quarantine.".strip()
    if is_lost(problem):
        return f"{outcome} Check that the server runs and can be reached, then run again.".strip()
    return outcome


def is_lost(problem: BaseException) -> bool:
    """Whether the connection was lost or could not be made for the moment: trying again may help."""
    if not isinstance(problem, psycopg.OperationalError):
        return False
    state = problem.sqlstate
    # 57P01 to 57P03: the server shuts down, crashed or is starting; 57P05: the connection idled too long; 08: it
    # failed; None: libpq's own.
    return state is None or state.startswith("08") or state in ("57P01", "57P02", "57P03", "57P05")


def may_pass(problem: BaseException) -> bool:
    """Whether doing the same again may succeed: the connection was lost, or another transaction was in the way."""
    in_the_way = isinstance(problem, errors.DeadlockDetected | errors.SerializationFailure)
    return in_the_way or is_lost(problem)


def _first_line(problem: BaseException) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__
