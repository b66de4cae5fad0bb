"""A workload's ratio as a picture: its steps, its range, the threshold, and where it was crossed.

Drawn by matplotlib (the extra `charts`); without it messages go without a picture.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from importlib.util import find_spec
from io import BytesIO
from typing import TYPE_CHECKING, Any

from comparator.channels import wording
from comparator.notice import Point, Story

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 600, 240
"""In the pixels of a mail; the picture has twice as many, for sharp screens."""

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_THRESHOLD = re.compile(
    rf"ratio (?:falls below|rises above) ({_NUMBER})|ratio leaves ({_NUMBER}) to ({_NUMBER})"
)

_INK, _MUTED, _LINE, _BAND, _LIMIT = "#1f2933", "#6b7780", "#1a56b0", "#c9daf4", "#b42318"
_HALO = {"facecolor": "white", "edgecolor": "none", "alpha": 0.6, "pad": 1}

_TAIL = 16
"""The part of the picture's width that lies behind the newest event: one so-many-th."""

_WIDE = 10
"""Times between the lowest and the highest value, from which on a scale of powers reads better."""


def draw(story: Story) -> bytes | None:
    """A PNG; None without matplotlib, or where there is no course of a ratio to draw."""
    known = [point for point in story.points if point.ratio]
    if len(known) < 2 or story.event.measure != "ratio" or find_spec("matplotlib") is None:
        return None
    # It logs at INFO where it looks for fonts, which is nobody's business here.
    logging.getLogger("matplotlib").setLevel(logging.WARNING)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=200, layout="constrained")
    axes = figure.add_subplot()
    _draw_course(axes, _until(wording.since_known(story.points), story.event.at))
    _draw_thresholds(axes, story.event.threshold)
    _mark(axes, story)
    _dress(axes)
    file = BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(file, format="png")
    return file.getvalue()


def title(story: Story) -> str:
    """What the picture shows, for those who don't see it."""
    workload = wording.clean(story.event.workload, 80)
    first, last = wording.since_known(story.points)[0].at, story.event.at
    return f"Ratio of {workload}, {first:%Y-%m-%d} to {last:%Y-%m-%d}"


def levels(threshold: str) -> list[Decimal]:
    """The ratios that a rule's words name."""
    match = _THRESHOLD.match(threshold)
    return [Decimal(level) for level in match.groups() if level] if match else []


def _until(points: Sequence[Point], at: datetime) -> list[Point]:
    """With the last value held a little beyond the end, so that its range is seen, too."""
    return [*points, Point(at + (at - points[0].at) / _TAIL, points[-1].ratio)]


def _draw_course(axes: Axes, points: Sequence[Point]) -> None:
    times: Any = [point.at for point in points]
    low, middle, high = zip(*(_values(point) for point in points), strict=True)
    if low != high:
        band: Any = {"color": _BAND, "linewidth": 0, "label": "p10 to p90"}
        axes.fill_between(times, low, high, step="post", **band)
        axes.legend(
            loc="upper right", fontsize=8, frameon=False, labelcolor=_MUTED, handlelength=1.2
        )
    axes.step(times, middle, where="post", color=_LINE, linewidth=1.6)


def _values(point: Point) -> tuple[float, float, float]:
    if point.ratio is None:
        return math.nan, math.nan, math.nan
    return float(point.ratio.low), float(point.ratio.point), float(point.ratio.high)


def _draw_thresholds(axes: Axes, threshold: str) -> None:
    for level in levels(threshold):
        axes.axhline(float(level), color=_LIMIT, linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(
            f"threshold {wording.figure(level)}",
            (0, float(level)),
            xycoords=("axes fraction", "data"),
            xytext=(4, 3),
            textcoords="offset points",
            color=_LIMIT,
            fontsize=8,
            bbox=_HALO,
        )


def _mark(axes: Axes, story: Story) -> None:
    """The crossings that the message tells, each with its figure."""
    for event in story.events:
        if event.after is None:
            continue
        place: Any = (event.at, float(event.after.point))
        axes.plot(*place, "o", color=_INK, markersize=5, zorder=5)
        axes.annotate(
            wording.figure(event.after.point),
            place,
            xytext=(-6, 7),
            textcoords="offset points",
            ha="right",
            color=_INK,
            fontsize=9,
            fontweight="bold",
            bbox=_HALO,
        )


def _dress(axes: Axes) -> None:
    from matplotlib import dates, ticker

    if axes.dataLim.ymin > 0 and axes.dataLim.ymax / axes.dataLim.ymin > _WIDE:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(ticker.NullLocator())
        axes.yaxis.set_major_formatter("{x:g}")
    typed: Any = dates
    locator = typed.AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(typed.ConciseDateFormatter(locator))
    axes.set_ylabel("ratio", color=_MUTED, fontsize=8)
    axes.tick_params(which="both", colors=_MUTED, labelsize=8, length=0)
    axes.xaxis.get_offset_text().set(color=_MUTED, fontsize=8)
    axes.grid(axis="y", color="#e4e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.01, y=0.15)
    axes.spines[:].set_visible(False)
