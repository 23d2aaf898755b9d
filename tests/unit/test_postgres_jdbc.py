"""How a connection of libpq is made again by Spark's driver. Starts neither Spark nor a server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
from mlbsdk_plugin_postgres import jdbc

from mlbsdk.plugin import ConfigurationError


def connection(host: str = "db.example.org", password: str = "", **parameters: str) -> psycopg.Connection:
    info = SimpleNamespace(
        host=host, port=5433, dbname="base ball", user="me", password=password, get_parameters=lambda: parameters
    )
    return cast(Any, SimpleNamespace(info=info))


def carried(**parameters: str) -> dict[str, str]:
    own = ("user", "driver", "ApplicationName", "connectTimeout", "tcpKeepAlive")
    return {name: value for name, value in jdbc.properties(connection(**parameters)).items() if name not in own}


@pytest.mark.parametrize(
    ("host", "shown"),
    [("db.example.org", "db.example.org"), ("::1", "[::1]"), ("/run/postgresql", "localhost"), ("", "localhost")],
)
def test_the_address_has_host_and_database_and_no_user(host: str, shown: str) -> None:
    assert jdbc.url(connection(host, "hunter22")) == f"jdbc:postgresql://{shown}:5433/base%20ball"


def test_user_and_password_are_options() -> None:
    found = jdbc.properties(connection(password="hunter22"))
    assert (found["user"], found["password"]) == ("me", "hunter22")
    assert "password" not in jdbc.properties(connection())


def test_encryption_is_carried_over() -> None:
    asked = {"sslmode": "verify-full", "sslrootcert": "/ca.pem", "sslcert": "/me.pem", "sslkey": "/me.key"}
    assert carried(**asked) == asked
    assert carried(channel_binding="require", gssencmode="disable", sslnegotiation="direct") == {
        "channelBinding": "require",
        "gssEncMode": "disable",
        "sslNegotiation": "direct",
    }


def test_a_root_certificate_is_checked_against_as_libpq_does() -> None:
    assert carried(sslmode="require", sslrootcert="/ca.pem")["sslmode"] == "verify-ca"
    assert carried(sslmode="require") == {"sslmode": "require"}
    assert carried(sslmode="verify-full", sslrootcert="system") == {
        "sslmode": "verify-full",
        "sslfactory": "org.postgresql.ssl.DefaultJavaSSLFactory",
    }


@pytest.mark.parametrize("name", ["sslcrl", "ssl_min_protocol_version", "require_auth"])
def test_what_would_be_lost_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"has no {name}"):
        jdbc.properties(connection(**{name: "x"}))


def test_nothing_else_is_handed_to_the_driver() -> None:
    assert carried(target_session_attrs="read-write", socketFactory="java.net.Evil", loggerLevel="TRACE") == {}
