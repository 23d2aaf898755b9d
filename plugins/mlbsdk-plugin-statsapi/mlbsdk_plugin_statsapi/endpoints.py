"""Requests that the API knows, by the definitions that pymlb-statsapi carries; checked before any is sent."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from mlbsdk.plugin import (
    ConfigurationError,
    MlbsdkError,
    Plugins,
    RawRequest,
    comparable,
    did_you_mean,
    shortened,
)

if TYPE_CHECKING:
    from pymlb_statsapi.model.factory import EndpointMethod
    from pymlb_statsapi.model.registry import StatsAPI

#: Parameters that every method takes and the definitions do not list.
EVERYWHERE = ("fields", "hydrate", "language")
_FORMS = {
    "integer": (re.compile(r"-?\d+"), "a whole number"),
    "Optional«int»": (re.compile(r"-?\d+"), "a whole number"),
    "boolean": (re.compile("true|false", re.IGNORECASE), "true or false"),
    "LocalDate": (re.compile(r"\d{4}-\d\d-\d\d|\d\d/\d\d/\d{4}"), "a date such as 2024-07-01"),
}


@dataclass(frozen=True)
class Request:
    """A request that is right, and its path below the base address: ``/v1/schedule?sportId=1``."""

    raw: RawRequest
    path: str


def request(name: str, params: Mapping[str, object], plugins: Plugins | None = None) -> Request:
    """Return the request of a method with parameters.

    Args:
        name: ``game.live_game_v1`` as of transforms, or ``game.liveGameV1`` as of the API; case and ``_`` don't count.
        params: values by the API's own names of parameters; path and query alike.
        plugins: the loaded plugins, whose transforms may have other names than methods have.

    Raises:
        ConfigurationError: there is no such endpoint, method or parameter, a value is wrong, or one is missing.
    """
    given = {key: _text(value) for key, value in params.items() if value is not None}
    endpoint, variants = _variants(name, plugins)
    method = _chosen(variants, given)
    path_names = [str(param["name"]) for param in method.path_params]
    everywhere = {key: value for key, value in given.items() if key in EVERYWHERE}
    _check(f"{endpoint}.{method.method_name}", method, {k: v for k, v in given.items() if k not in EVERYWHERE})
    path_params = {key: given[key] for key in path_names if key in given}
    query_params = {k: v for k, v in given.items() if k not in path_names and k not in everywhere}
    try:
        # A value must not be able to change the path.
        quoted = {key: quote(value, safe="") for key, value in path_params.items()}
        _, checked, path = method.validate_and_resolve_params(quoted, dict(query_params))
    except AssertionError as problem:  # what the library asks for beyond our own checks
        raise ConfigurationError(str(problem)) from problem
    query = {**checked, **everywhere}
    raw = RawRequest(endpoint, method.method_name, path_params, query)
    return Request(raw, f"{path}?{urlencode(query)}" if query else path)


def method_names() -> list[str]:
    """Return the names of all methods: ``game.liveGameV1``, ..."""
    found = _library().list_all_methods()
    return sorted(f"{endpoint}.{name}" for endpoint, names in found.items() for name in names if name[:2] != "__")


@cache
def _library() -> StatsAPI:
    # Making it reads all definitions, which takes half a second: only when a request is to be checked.
    from pymlb_statsapi import api

    return api


def _variants(name: str, plugins: Plugins | None) -> tuple[str, list[EndpointMethod]]:
    """Return an endpoint's name, and the definitions of one of its methods: some have several paths."""
    found = _by_name(name)
    if found is None:
        for alias in _aliases(name, plugins):
            found = found or _by_name(alias)
    if found is None:
        raise _no_such(name)
    return found


def _by_name(name: str) -> tuple[str, list[EndpointMethod]] | None:
    endpoint_name, _, wanted = name.partition(".")
    endpoints = {comparable(each): each for each in _library().get_endpoint_names()}
    if comparable(endpoint_name) not in endpoints:
        return None
    endpoint = _library().get_endpoint(endpoints[comparable(endpoint_name)])
    names = endpoint.get_method_names()
    own = next((each for each in names if not each.startswith("__") and comparable(each) == comparable(wanted)), None)
    if own is None:
        return None
    variants = [endpoint.get_method(each) for each in names if each == own or each.startswith(f"__{own}_")]
    # Of some definitions the path has a part that they do not define.
    fine = {method.path_template: method for method in variants if _parts(method) <= _path_names(method)}
    return endpoint.endpoint_name, list(fine.values())


def _aliases(name: str, plugins: Plugins | None) -> Iterable[str]:
    """Return what else the method of a transform's mapping is called: team.team is teams."""
    from mlbsdk.plugin import load_mapping  # it brings the mapping language, which takes as long as all else

    try:
        mapping = load_mapping((plugins or Plugins.load()).transform(name)).mapping
    except MlbsdkError:  # no such transform: the name is told as that of no method
        return ()
    return [f"{mapping.source.endpoint}.{method}" for method in mapping.methods]


def _no_such(name: str) -> ConfigurationError:
    known = method_names()
    near = did_you_mean(name, known) or did_you_mean(comparable(name), map(comparable, known))
    endpoint = name.partition(".")[0]
    of_endpoint = [each for each in known if each.startswith(f"{endpoint}.")]
    fix = (
        f"Methods of {endpoint}: {shortened([each.partition('.')[2] for each in of_endpoint], 20)}."
        if of_endpoint
        else f"Endpoints: {', '.join(sorted({each.partition('.')[0] for each in known}))}."
    )
    return ConfigurationError(f"the StatsAPI has no '{name}'.{near}", fix=fix)


def _chosen(variants: Sequence[EndpointMethod], given: Mapping[str, str]) -> EndpointMethod:
    """Return the definition whose path takes most of what is given."""
    fitting = [method for method in variants if _parts(method) <= set(given)]
    return max(fitting or variants, key=lambda method: len(_parts(method)) if fitting else -len(_parts(method)))


def _check(name: str, method: EndpointMethod, given: Mapping[str, str]) -> None:
    params: dict[str, dict[str, Any]] = {param["name"]: param for param in [*method.query_params, *method.path_params]}
    known = list(dict.fromkeys([*params, *EVERYWHERE]))
    for key, value in given.items():
        if key not in params:
            near = did_you_mean(key, known) or did_you_mean(comparable(key), map(comparable, known))
            raise ConfigurationError(f"{name} has no parameter '{key}'.{near}", fix=f"It takes {', '.join(known)}.")
        form, described = _FORMS.get(str(params[key].get("type")), (None, ""))
        if form is not None and not form.fullmatch(value):
            raise ConfigurationError(f"{name}: {key} is '{value}'; it must be {described}")
        allowed = [str(one) for one in params[key].get("enum") or ()]
        if allowed and value.lower() not in [one.lower() for one in allowed]:
            raise ConfigurationError(
                f"{name}: {key} is '{value}'.{did_you_mean(value, allowed)}", fix=f"It is one of {', '.join(allowed)}."
            )
        if not value:
            raise ConfigurationError(f"{name}: {key} is empty")
    missing = [key for key, param in params.items() if param.get("required") and key not in given]
    if missing:
        raise ConfigurationError(f"{name} needs {' and '.join(missing)}", fix=f"Give it: --param {missing[0]}=VALUE.")


def _parts(method: EndpointMethod) -> set[str]:
    return {str(part) for _, part, _, _ in string.Formatter().parse(method.path_template) if part}


def _path_names(method: EndpointMethod) -> set[str]:
    return {str(param["name"]) for param in method.path_params}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
