"""An Atlas server for tests: real HTTP on the loopback interface, strict where Atlas is, and stricter elsewhere.

Every request is checked against Atlas's published models (tests/data/atlas). Types exist once (409), entities are
created or updated by qualifiedName, references have to be there (404), attributes and their types have to be those of
the type (400), who asks has to be known (401).
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jsonschema import Draft202012Validator

DATA = Path(__file__).parent / "data" / "atlas"
_SCHEMA = json.loads((DATA / "v2.schema.json").read_text())
_BASE = json.loads((DATA / "base_model.json").read_text())
_PLAIN: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "int": int,
    "long": int,
    "date": int,
    "double": (int, float),
    "boolean": bool,
}


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.body = {"errorCode": code, "errorMessage": message}
        super().__init__(message)


@dataclass
class Atlas:
    """What the server holds, and how it behaves."""

    user: str = "admin"
    password: str = "hush-atlas"
    token: str = "hush-token"
    path: str = ""
    """A gateway's path before /api/atlas."""
    types: dict[str, dict[str, Any]] = field(default_factory=dict)
    relations: dict[str, dict[str, Any]] = field(default_factory=dict)
    entities: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What no client should send."""
    fails_with: int = 0
    """A status that every request gets."""
    waits: float = 0.0
    """Seconds before each answer."""
    others_create_types: bool = False
    """Whether another client is always a little faster."""
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.types |= {one["name"]: one for one in _BASE["entityDefs"]}
        self.relations |= {one["name"]: one for one in _BASE["relationshipDefs"]}

    # What tests ask

    def of_type(self, name: str) -> list[dict[str, Any]]:
        """Return the entities of a type."""
        return [entity for (kind, _), entity in self.entities.items() if kind == name]

    # The REST API

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Any:
        """Return the answer to a request."""
        if (method, path) == ("GET", "/api/atlas/v2/types/typedefs/"):
            return self._types(query)
        if (method, path) == ("POST", "/api/atlas/v2/types/typedefs/"):
            return self._create_types(body)
        if (method, path) == ("PUT", "/api/atlas/v2/types/typedefs/"):
            return self._update_types(body)
        if (method, path) == ("POST", "/api/atlas/v2/entity/bulk/"):
            return self._upsert(body)
        raise Refused(404, "ATLAS-404-00-000", f"no such resource: {method} {path}")

    def check(self, body: Any, name: str) -> None:
        """Check a request's body against Atlas's model of that name."""
        validator = Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": _SCHEMA["$defs"]})
        for problem in validator.iter_errors(body):
            text = f"{name}: {problem.json_path}: {problem.message}"
            self.wrong.append(text)
            raise Refused(400, "ATLAS-400-00-029", text)

    def _types(self, query: dict[str, list[str]]) -> dict[str, Any]:
        services = query.get("serviceType", [])

        def chosen(defined: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
            return [one for one in defined.values() if not services or one.get("serviceType") in services]

        return {"entityDefs": chosen(self.types), "relationshipDefs": chosen(self.relations)}

    def _create_types(self, body: Any) -> dict[str, Any]:
        self.check(body, "AtlasTypesDef")
        if self.others_create_types:
            self.others_create_types = False
            self._create_types(body)
        for one in [*body.get("entityDefs", []), *body.get("relationshipDefs", [])]:
            if one["name"] in self.types or one["name"] in self.relations:
                raise Refused(409, "ATLAS-409-00-001", f"Given type {one['name']} already exists")
        self._take_types(body)
        return dict(body)

    def _update_types(self, body: Any) -> dict[str, Any]:
        self.check(body, "AtlasTypesDef")
        for one in body.get("entityDefs", []):
            if one["name"] not in self.types:
                raise Refused(404, "ATLAS-404-00-001", f"Given typename {one['name']} was invalid")
        self._take_types(body)
        return dict(body)

    def _take_types(self, body: Any) -> None:
        names = {one["name"] for one in body.get("entityDefs", [])} | set(self.types)
        for one in body.get("entityDefs", []):
            for above in one.get("superTypes", []):
                if above not in names:
                    raise Refused(404, "ATLAS-404-00-001", f"Given typename {above} was invalid")
        for one in body.get("relationshipDefs", []):
            ends = one["endDef1"], one["endDef2"]
            if any(end["type"] not in names for end in ends):
                raise Refused(404, "ATLAS-404-00-00E", f"RelationshipDef {one['name']} endDef typename not found")
            if one["relationshipCategory"] == "COMPOSITION" and sum(end.get("isContainer", False) for end in ends) != 1:
                raise Refused(400, "ATLAS-400-00-02E", f"COMPOSITION {one['name']} has no one container")
        self.types |= {one["name"]: one for one in body.get("entityDefs", [])}
        self.relations |= {one["name"]: one for one in body.get("relationshipDefs", [])}

    def _upsert(self, body: Any) -> dict[str, Any]:
        self.check(body, "AtlasEntitiesWithExtInfo")
        if not body["entities"]:
            raise Refused(400, "ATLAS-400-00-01A", "no entities to create/update")
        # One request is one transaction.
        taken: dict[tuple[str, str], dict[str, Any]] = {}
        for entity in body["entities"]:
            self._check_entity(entity)
            key = (entity["typeName"], entity["attributes"]["qualifiedName"])
            if key in taken:
                self.wrong.append(f"twice in one request: {key}")
            before = self.entities.get(key, {"guid": f"guid-{len(self.entities) + len(taken)}", "attributes": {}})
            related = before.get("relationshipAttributes", {}) | entity.get("relationshipAttributes", {})
            taken[key] = entity | {
                "guid": before["guid"],
                "attributes": before["attributes"] | entity["attributes"],
                "relationshipAttributes": related,
            }
        created = [key for key in taken if key not in self.entities]
        self.entities |= taken
        headers = {key: {"guid": one["guid"], "typeName": key[0]} for key, one in taken.items()}
        return {
            "mutatedEntities": {
                "CREATE": [headers[key] for key in created],
                "UPDATE": [headers[key] for key in taken if key not in created],
            },
            "guidAssignments": {f"-{number}": one["guid"] for number, one in enumerate(taken.values())},
        }

    def _check_entity(self, entity: dict[str, Any]) -> None:
        kind = entity["typeName"]
        if kind not in self.types:
            raise Refused(404, "ATLAS-404-00-001", f"Given typename {kind} was invalid")
        attributes = {
            one["name"]: one for name in self._line(kind) for one in self.types[name].get("attributeDefs", [])
        }
        for name, value in entity["attributes"].items():
            if name not in attributes:
                self.wrong.append(f"{kind}.{name}")
                raise Refused(400, "ATLAS-400-00-023", f"Attribute {name} not found for type {kind}")
            self._check_value(f"{kind}.{name}", attributes[name]["typeName"], value)
        for name, one in attributes.items():
            if not one["isOptional"] and not entity["attributes"].get(name):
                raise Refused(400, "ATLAS-400-00-02B", f"Mandatory field {kind}.{name} has empty/null value")
        for name, value in entity.get("relationshipAttributes", {}).items():
            self._check_reference(f"{kind}.{name}", self._other_end(kind, name), value)

    def _line(self, kind: str) -> list[str]:
        """Return a type and all that it derives from."""
        above = self.types[kind].get("superTypes", [])
        return [kind, *(name for one in above for name in self._line(one))]

    def _other_end(self, kind: str, name: str) -> str:
        for one in self.relations.values():
            for own, other in ((one["endDef1"], one["endDef2"]), (one["endDef2"], one["endDef1"])):
                if own["type"] in self._line(kind) and own["name"] == name:
                    return str(other["type"])
        self.wrong.append(f"{kind}.{name}")
        raise Refused(400, "ATLAS-400-00-023", f"Attribute {name} not found for type {kind}")

    def _check_value(self, where: str, kind: str, value: Any) -> None:
        if value is None:
            return
        if kind.startswith("array<"):
            assert isinstance(value, list), where
            for one in value:
                self._check_reference(where, kind[6:-1], one)
        elif kind.startswith("map<"):
            inner = kind[4:-1].split(",")[1]
            if not isinstance(value, dict):
                raise Refused(400, "ATLAS-400-00-01A", f"{where} is no map")
            for one in value.values():
                self._check_value(where, inner, one)
        elif not isinstance(value, _PLAIN[kind]) or (isinstance(value, bool) and kind != "boolean"):
            self.wrong.append(f"{where} is {kind}, not {value!r}")
            raise Refused(400, "ATLAS-400-00-01A", f"invalid value {value} for {where}")

    def _check_reference(self, where: str, kind: str, value: Any) -> None:
        self.check(value, "AtlasObjectId")
        key = (value["typeName"], value["uniqueAttributes"]["qualifiedName"])
        if key not in self.entities:
            raise Refused(404, "ATLAS-404-00-00A", f"Referenced entity {key} is not found")
        if kind not in self._line(value["typeName"]):
            raise Refused(400, "ATLAS-400-00-021", f"ObjectId is not valid: {where} takes {kind}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    atlas: Atlas

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        atlas = self.atlas
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        with atlas.lock:
            atlas.requests.append((self.command, parts.path))
        time.sleep(atlas.waits)
        try:
            if atlas.fails_with:
                raise Refused(atlas.fails_with, "ATLAS-500-00-001", "told to fail")
            self._check_who()
            if not parts.path.startswith(f"{atlas.path}/api/atlas/"):
                raise Refused(404, "gateway", f"nothing at {parts.path}")
            if body and "application/json" not in (self.headers.get("Content-Type") or ""):
                raise Refused(415, "HTTP 415", "Unsupported Media Type")
            with atlas.lock:
                found = atlas.answer(
                    self.command,
                    parts.path.removeprefix(atlas.path),
                    parse_qs(parts.query),
                    json.loads(body) if body else None,
                )
            self._reply(200, found)
        except Refused as refused:
            self._reply(refused.status, refused.body)

    do_GET = do_POST = do_PUT = _handle

    def _check_who(self) -> None:
        basic = base64.b64encode(f"{self.atlas.user}:{self.atlas.password}".encode()).decode()
        if self.headers.get("Authorization") not in (f"Basic {basic}", f"Bearer {self.atlas.token}"):
            raise Refused(401, "ATLAS-401-00-001", "who is asking?")

    def _reply(self, status: int, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # who asked has gone


@contextmanager
def running(**settings: Any) -> Iterator[Atlas]:
    """Start a server; it ends with the block."""
    atlas = Atlas(**settings)
    handler = type("Handler", (_Handler,), {"atlas": atlas})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    atlas.address = f"http://127.0.0.1:{server.server_address[1]}{atlas.path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield atlas
    finally:
        server.shutdown()
        server.server_close()
