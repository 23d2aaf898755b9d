"""Pictures as inline SVG: coloured by the page's style, with a title for each part that a screen reader reads too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markupsafe import Markup

_WIDTH, _HEIGHT, _BASE = 300.0, 72.0, 66.0


@dataclass(frozen=True)
class Part:
    """A part of a stacked bar: what it is called (also its colour's name) and how much of it there is."""

    kind: str
    count: int


@dataclass(frozen=True)
class Bar:
    """A bar of a chart; ``value`` None is not known."""

    label: str
    value: float | None
    is_marked: bool = False
    """Whether it stands out: the run that the page is about."""
    is_bad: bool = False


def stacked(parts: Sequence[Part], whole: int, label: str) -> Markup:
    """Return a bar of parts, as wide as what it stands in when they add up to ``whole``."""
    from markupsafe import Markup

    shown = [part for part in parts if part.count > 0]
    pieces, at = [], 0.0
    for part in shown:
        width = 100 * part.count / max(whole, 1)
        title = Markup("<title>{}: {:,}</title>").format(part.kind, part.count)
        # At least a hair's breadth: what is there must be seen.
        pieces.append(
            Markup('<rect class="k-{}" x="{:.3f}" y="0" width="{:.3f}" height="10">{}</rect>').format(
                part.kind, min(at, 99.4), max(width, 0.6), title
            )
        )
        at += width
    told = ", ".join(f"{part.count:,} {part.kind}" for part in shown) or "nothing"
    return Markup(
        '<svg class="stack" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="track" x="0" y="0" width="100" height="10"/>{}</svg>'
    ).format(f"{label}: {told}", Markup("").join(pieces))


def share_bar(share: float, label: str, kind: str) -> Markup:
    """Return a bar that is filled by a share from 0 to 1."""
    from markupsafe import Markup

    width = 100 * min(max(share, 0.0), 1.0)
    width = max(width, 1.0) if share > 0 else 0.0
    return Markup(
        '<svg class="stack" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{0}">'
        '<title>{0}</title><rect class="track" x="0" y="0" width="100" height="10"/>'
        '<rect class="k-{1}" x="0" y="0" width="{2:.3f}" height="10"/></svg>'
    ).format(label, kind, width)


def strip(shares: Sequence[tuple[str, float | None]], label: str) -> Markup:
    """Return a strip of cells, one a column: as high as the share of rows that have a value; a gap where not known."""
    from markupsafe import Markup

    step = 100 / max(len(shares), 1)
    pieces = []
    for number, (name, share) in enumerate(shares):
        told = "not known" if share is None else f"{share:.1%} complete"
        height = 0.0 if share is None else max(10 * share, 0.6)
        pieces.append(
            Markup('<rect class="k-{}" x="{:.3f}" y="{:.2f}" width="{:.3f}" height="{:.2f}">{}</rect>').format(
                "present" if share else "error",
                number * step,
                10 - height,
                step - min(step * 0.14, 0.25),
                height,
                Markup("<title>{}: {}</title>").format(name, told),
            )
        )
    return Markup(
        '<svg class="strip" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="track" x="0" y="0" width="100" height="10"/>{}</svg>'
    ).format(label, Markup("").join(pieces))


def bars(given: Sequence[Bar], label: str) -> Markup:
    """Return a bar chart from 0 up, in the order given; what is not known leaves a gap."""
    from markupsafe import Markup

    top = max((bar.value for bar in given if bar.value is not None), default=0.0)
    step = _WIDTH / max(len(given), 12)
    pieces = []
    for number, bar in enumerate(given):
        value = bar.value or 0.0
        height = 0.0 if bar.value is None else max(1.5, (_BASE - 4) * value / top if top else 1.5)
        kinds = "chart-bar" + (" marked" if bar.is_marked else "") + (" bad-bar" if bar.is_bad else "")
        pieces.append(
            Markup('<rect class="{}" x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" rx="1">{}</rect>').format(
                kinds,
                number * step,
                _BASE - height,
                max(step - min(2.0, step / 4), 0.5),
                height,
                Markup("<title>{}</title>").format(bar.label),
            )
        )
    return Markup(
        '<svg class="chart" viewBox="0 0 {0:.0f} {1:.0f}" preserveAspectRatio="none" role="img" aria-label="{2}">'
        '<line class="axis" x1="0" y1="{3}" x2="{0:.0f}" y2="{3}"/>{4}</svg>'
    ).format(_WIDTH, _HEIGHT, label, _BASE + 1, Markup("").join(pieces))
