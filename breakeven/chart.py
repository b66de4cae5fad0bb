"""A figure through time as a step chart of text, for `--chart`.

Own code: plotext is the one kept library that draws in a terminal, and its version 6 dropped the
interface that version 5 had.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import TypeAlias

from comparator.channels.wording import figure

Point: TypeAlias = tuple[datetime, Decimal | None]
"""The figure from a time on; None: unknown, or withdrawn."""

_LEVEL = "┄"


def chart(
    points: Sequence[Point],
    until: datetime,
    *,
    level: Decimal | None = None,
    columns: int = 72,
    rows: int = 14,
) -> list[str]:
    """Lines of a chart of the points, oldest first, up to `until`; a line is drawn at `level`.

    Equal distances are equal factors, unless something is free. [] when nothing is known.
    """
    known = [value for _, value in points if value is not None]
    if not known:
        return []
    scale = _Scale([*known, *([level] if level else [])], rows)
    values = _sampled(points, until, columns)
    heights = [None if value is None else scale.row(value) for value in values]
    canvas = [[" "] * columns for _ in range(rows)]
    if level:
        canvas[scale.row(level)] = [_LEVEL] * columns
    _draw(canvas, heights)
    labels = scale.labels([*known[:1], *known[-1:], *([level] if level else [])])
    size = max(map(len, labels))
    drawn = (
        f"{label:>{size}} ┤{''.join(line)}" for label, line in zip(labels, canvas, strict=True)
    )
    return [*(line.rstrip() for line in drawn), _dates(points[0][0], until, size + 2, columns)]


class _Scale:
    """From figures to rows, the first at the top."""

    def __init__(self, values: Sequence[Decimal], rows: int) -> None:
        self._straight = min(values) <= 0
        self._low, self._high = (self._place(end(values)) for end in (min, max))
        self._rows = rows

    def row(self, value: Decimal) -> int:
        """Where a figure stands."""
        span = self._high - self._low
        share = (self._place(value) - self._low) / span if span else 0.5
        return round((1 - share) * (self._rows - 1))

    def labels(self, marked: Sequence[Decimal]) -> list[str]:
        """The ends, and what is marked, at their rows; of two in one row the later."""
        ends = (Decimal(p if self._straight else math.exp(p)) for p in (self._low, self._high))
        labels = [""] * self._rows
        for value in (*ends, *marked):
            labels[self.row(value)] = figure(value)
        return labels

    def _place(self, value: Decimal) -> float:
        return float(value) if self._straight else math.log(value)


def _sampled(points: Sequence[Point], until: datetime, columns: int) -> list[Decimal | None]:
    """The figure at each column, the last one at `until`."""
    start, found, held = points[0][0], list[Decimal | None](), iter([*points, None])
    value, ahead = None, next(held)
    for column in range(columns):
        at = start + (until - start) * column / (columns - 1)
        while ahead and ahead[0] <= at:
            value, ahead = ahead[1], next(held)
        found.append(value)
    return found


def _draw(canvas: list[list[str]], heights: Sequence[int | None]) -> None:
    for column, height in enumerate(heights):
        if height is not None:
            canvas[height][column] = "─"
    for column, (before, after) in enumerate(pairwise(heights), 1):
        if before is not None and after is not None and before != after:
            _step(canvas, column, before, after)


def _step(canvas: list[list[str]], column: int, before: int, after: int) -> None:
    top, bottom = sorted((before, after))
    for row in range(top + 1, bottom):
        canvas[row][column] = "│"
    falls = after > before
    canvas[before][column] = "╮" if falls else "╯"
    canvas[after][column] = "╰" if falls else "╭"


def _dates(start: datetime, until: datetime, indent: int, columns: int) -> str:
    days = [f"{start + (until - start) * share / 2:%Y-%m-%d}" for share in range(3)]
    gap = (columns - 30) // 2
    return " " * indent + (" " * gap).join(days)
