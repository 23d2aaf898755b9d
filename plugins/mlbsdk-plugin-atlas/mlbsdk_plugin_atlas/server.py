"""An Atlas server as the official client reaches it: within a timeout, and with errors in a sentence."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests
from apache_atlas.client.base_client import AtlasClient
from apache_atlas.exceptions import AtlasServiceException
from requests.auth import AuthBase, HTTPBasicAuth

from mlbsdk.plugin import ConfigurationError, LineageError

#: Characters of a server's own words that are repeated.
_MOST_WORDS = 300
CONFLICT = 409
#: Statuses of a server that does not take who asks; 302 leads to its login page.
_REFUSED = (401, 403, 302)
#: The service type of our types.
SERVICE = "mlbsdk"


@dataclass(frozen=True)
class AtlasSettings:
    """Where Atlas is and who asks it; secrets come from the environment only, and are in no ``repr``."""

    endpoint: str
    """Such as ``http://localhost:21000``; behind a gateway with a path."""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    metadata_namespace: str = "mlbsdk"
    """What ends every qualifiedName, after ``@``: Atlas's name for the cluster."""
    verify: bool | str = True
    """Whether certificates are checked, or the file of the authorities to trust."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> AtlasSettings:
        """Read ``ATLAS_ENDPOINT``, ``ATLAS_USER`` and ``ATLAS_PASSWORD`` or ``ATLAS_TOKEN``, and the others.

        Raises:
            ConfigurationError: one is missing or wrong.
        """
        endpoint = environment.get("ATLAS_ENDPOINT", "").rstrip("/")
        try:
            parts = urlsplit(endpoint)
            known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        if not known or parts.query or parts.fragment:
            raise ConfigurationError(
                "ATLAS_ENDPOINT is no http or https URL", fix="Write http://HOST:21000, the server without /api/atlas."
            )
        if parts.username or parts.password:
            raise ConfigurationError(
                "ATLAS_ENDPOINT has a user or password, and endpoints are shown",
                fix="They belong into ATLAS_USER and ATLAS_PASSWORD.",
            )
        user, password, token = (environment.get(f"ATLAS_{name}") for name in ("USER", "PASSWORD", "TOKEN"))
        if not token and bool(user) != bool(password):
            raise ConfigurationError(
                "ATLAS_USER and ATLAS_PASSWORD go together", fix="Set both, or ATLAS_TOKEN, or none of them."
            )
        verify: bool | str = environment.get("ATLAS_CA_FILE") or True
        namespace = environment.get("ATLAS_METADATA_NAMESPACE") or "mlbsdk"
        return cls(endpoint, user or None, password or None, token or None, namespace, verify)


class _Bearer(AuthBase):
    """Sends a token."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self.token}"
        return request


class AtlasServer:
    """The few requests that reports need.

    Args:
        settings: where it is.
        timeout_s: seconds that a request may take to connect, and again between two parts of its answer.
    """

    def __init__(self, settings: AtlasSettings, timeout_s: float) -> None:
        self.settings = settings
        # The client logs whole requests, and says once more what is raised.
        logging.getLogger("apache_atlas").setLevel(logging.CRITICAL)
        self._client = AtlasClient(settings.endpoint, _auth(settings))
        # The client joins paths as a browser does: without the slash a gateway's path would be dropped.
        self._client.host = f"{settings.endpoint}/"
        # It has no timeout of its own, and would follow the redirect to a login page.
        self._client.request_params |= {"timeout": timeout_s, "verify": settings.verify, "allow_redirects": False}

    def existing_types(self, names: list[str]) -> dict[str, str]:
        """Return the version of each type that the server has, by name; there is one request for all.

        Raises:
            LineageError: it can't be reached, or refuses.
        """
        found = self._asked(lambda: self._client.typedef.get_all_typedefs(_OwnTypes()))
        wanted = set(names)
        kinds = ("entityDefs", "relationshipDefs", "structDefs", "enumDefs", "classificationDefs")
        defined = (one for kind in kinds for one in (getattr(found, kind, None) or []))
        return {str(one.name): str(one.typeVersion or "") for one in defined if one.name in wanted}

    def create_types(self, types: Mapping[str, Any]) -> bool:
        """Create types; return False where another has created one of them meanwhile.

        Raises:
            LineageError: it can't be reached, or refuses.
        """
        try:
            self._asked(lambda: self._client.typedef.create_atlas_typedefs(dict(types)))
        except _Refused as problem:
            if problem.status == CONFLICT:
                return False
            raise
        return True

    def update_types(self, types: Mapping[str, Any]) -> None:
        """Bring types forward; attributes can be added, and none is taken away.

        Raises:
            LineageError: it can't be reached, or refuses.
        """
        self._asked(lambda: self._client.typedef.update_atlas_typedefs(dict(types)))

    def upsert(self, entities: list[dict[str, Any]]) -> None:
        """Create entities, or bring forward those that have the same qualifiedName.

        Raises:
            LineageError: it can't be reached, or refuses.
        """
        self._asked(lambda: self._client.entity.create_entities({"entities": entities, "referredEntities": {}}))

    def _asked(self, request: Callable[[], Any]) -> Any:
        endpoint = self.settings.endpoint
        try:
            return request()
        except AtlasServiceException as problem:
            # The client's exception keeps no response, only a text of it.
            raise _Refused(str(problem), endpoint) from None
        except requests.RequestException as problem:
            why = type(problem).__name__
            raise LineageError(
                f"Atlas at {endpoint} can't be reached: {why}", fix="Check ATLAS_ENDPOINT and that the server runs."
            ) from problem


class _Refused(LineageError):
    """The server answered with an error."""

    def __init__(self, text: str, endpoint: str) -> None:
        before, _, body = text.partition(" Response body is: ")
        status = before.rstrip(".").rpartition(" ")[2]
        self.status = int(status) if status.isdigit() else 0
        if self.status in _REFUSED:
            super().__init__(
                f"Atlas at {endpoint} refuses who asks ({self.status})",
                fix="Check ATLAS_USER and ATLAS_PASSWORD, or ATLAS_TOKEN, and that they may write entities and types.",
            )
            return
        words = " ".join(body.split())[:_MOST_WORDS]
        super().__init__(f"Atlas at {endpoint} answered {self.status or 'with an error'}: {words}")


class _OwnTypes:
    """The search filter for our types: the client asks it for nothing but this. Older servers give all types."""

    params: ClassVar[dict[str, str]] = {"serviceType": SERVICE}


def _auth(settings: AtlasSettings) -> Callable[[Any], Any]:
    if settings.token:
        return _Bearer(settings.token)
    if settings.user and settings.password:
        return HTTPBasicAuth(settings.user.encode("utf-8"), settings.password.encode("utf-8"))
    # Not None, for which requests would look into ~/.netrc.
    return lambda request: request


def as_json(value: object) -> str:
    """Return a value as one text, the same for the same value."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
