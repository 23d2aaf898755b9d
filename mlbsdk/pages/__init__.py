"""HTML pages: templates with everything escaped, and the style that all pages share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup


def rendered(
    package: str, template: str, content: Mapping[str, Any], filters: Mapping[str, Callable[..., Any]] | None = None
) -> str:
    """Return a page: nothing that its content holds becomes markup.

    Args:
        package: the package that holds the template, in its folder ``templates``.
        template: its file name; it may include ``base.css``.
        content: what it is filled with.
        filters: what it uses beside ``breakable`` and ``grouped``.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("mlbsdk.pages")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"breakable": breakable, "grouped": "{:,}".format, **(filters or {})}
    text = environment.get_template(template).render(**content)
    # A lone surrogate, which JSON can hold, is no UTF-8.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def breakable(name: str) -> Markup:
    """Return a path or a table's name, escaped, that may go on in the next line before any step and after any word."""
    from markupsafe import Markup, escape

    return Markup(str(escape(name)).replace(".", "<wbr>.").replace("_", "_<wbr>"))
