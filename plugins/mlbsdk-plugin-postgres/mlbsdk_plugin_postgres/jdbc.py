"""Raw rows by Spark's JDBC reader. User and password go as options of the connection, never into an address."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

import psycopg

from mlbsdk.plugin import RAW_SCHEMA, ConfigurationError, EnvironmentProblem, postgres_quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_DRIVER = "org.postgresql.Driver"
#: Rows that a task holds at once; each may have some megabytes.
_FETCH = 16
#: Rows of a clean table that are fetched at once.
_FETCH_OF_TABLE = 10_000
#: libpq's parameter -> the driver's. What the two have by the same meaning.
_CARRIED = {
    "sslmode": "sslmode",
    "sslrootcert": "sslrootcert",
    "sslcert": "sslcert",
    "sslkey": "sslkey",
    "sslpassword": "sslpassword",
    "sslnegotiation": "sslNegotiation",
    "channel_binding": "channelBinding",
    "gssencmode": "gssEncMode",
    "krbsrvname": "kerberosServerName",
    "options": "options",
}
#: Parameters that protect a connection and that the driver lacks: without them it would be weaker than was asked.
_NOT_CARRIED = ("sslcrl", "sslcrldir", "ssl_min_protocol_version", "ssl_max_protocol_version", "require_auth", "sslsni")


def properties(connection: psycopg.Connection) -> dict[str, str]:
    """Return the options by which the driver connects as this connection did, user and password among them.

    Raises:
        ConfigurationError: the driver has no equal of a parameter that protects the connection.
    """
    info = connection.info
    given = info.get_parameters()
    lacking = [name for name in _NOT_CARRIED if name in given]
    if lacking:
        raise ConfigurationError(
            f"Spark's driver for PostgreSQL has no {' and no '.join(lacking)}", fix="Leave it out of the address."
        )
    found = {
        "user": info.user,
        "driver": _DRIVER,
        "ApplicationName": "mlbsdk",
        "connectTimeout": "10",
        "tcpKeepAlive": "true",
    }
    found |= {theirs: given[ours] for ours, theirs in _CARRIED.items() if ours in given}
    if "sslrootcert" in given and given.get("sslmode") == "require":
        found["sslmode"] = "verify-ca"  # libpq checks the certificate then, the driver would not
    if given.get("sslrootcert") == "system":
        del found["sslrootcert"]
        found["sslfactory"] = "org.postgresql.ssl.DefaultJavaSSLFactory"
    if info.password:
        found["password"] = info.password
    return found


def url(connection: psycopg.Connection) -> str:
    """Return the driver's address of the database, without user and password."""
    info = connection.info
    host = info.host or "localhost"
    if host.startswith(("/", "@")):
        host = "localhost"  # the driver knows no Unix sockets
    shown = f"[{host}]" if ":" in host else host
    return f"jdbc:postgresql://{shown}:{info.port}/{quote(info.dbname, safe='')}"


def read(
    spark: SparkSession, address: str, options: Mapping[str, str], query: str, predicates: Sequence[str]
) -> DataFrame:
    """Return raw rows: the columns of RAW_SCHEMA.

    Args:
        spark: the session.
        address: as :func:`url` gives it.
        options: as :func:`properties` gives them.
        query: a SELECT of the columns that :func:`mlbsdk_plugin_postgres.capture_sql.columns` lists.
        predicates: conditions on the query's columns; each gives one partition, read on its own.

    Raises:
        EnvironmentProblem: the driver is not in the session.
        ConfigurationError: the driver can't connect as libpq can.
    """
    with _explained(address):
        frame = spark.read.jdbc(
            address,
            f"({query}) AS captures",
            predicates=list(predicates),
            properties={**options, "fetchsize": str(_FETCH)},
        )
    return _raw_rows(frame)


def table(spark: SparkSession, address: str, options: Mapping[str, str], name: str) -> DataFrame:
    """Return the rows of a clean table ``schema.table``; address and options as for :func:`read`.

    Raises:
        EnvironmentProblem, ConfigurationError: as :func:`read`.
    """
    quoted = ".".join(postgres_quoted(part) for part in name.split("."))
    properties = {**options, "fetchsize": str(_FETCH_OF_TABLE), "preferTimestampNTZ": "true"}
    with _explained(address):
        return spark.read.jdbc(address, quoted, properties=properties)


@contextlib.contextmanager
def _explained(address: str) -> Iterator[None]:
    """Say what to do where Spark finds no driver, or can't connect."""
    from py4j.protocol import Py4JJavaError

    try:
        yield
    except Py4JJavaError as problem:
        cause = problem.java_exception
        name, text = cause.getClass().getName(), (cause.getMessage() or "").strip().splitlines()
        if name == "java.lang.ClassNotFoundException":
            raise EnvironmentProblem(
                "the Spark session lacks the driver of PostgreSQL",
                fix="Let mlbsdk make the session, or add org.postgresql:postgresql:42.7.14 to spark.jars.packages.",
            ) from None
        raise ConfigurationError(
            f"Spark can't connect to {address}: {text[0] if text else name}",
            fix="Spark reads over TCP: name a host that every executor reaches, and a user who may log in from there.",
        ) from None


def _raw_rows(frame: DataFrame) -> DataFrame:
    from pyspark.sql import functions as F

    found = {key: F.col(key).cast(RAW_SCHEMA[key]) for key in RAW_SCHEMA if key in frame.columns}
    found["row_id"] = F.coalesce(F.col("row_id"), F.hex(F.xxhash64("data")))
    for key in ("origin", "modified_at"):
        found[key] = F.lit(None).cast(RAW_SCHEMA[key])
    return frame.select(*(found[key].alias(key) for key in RAW_SCHEMA))
