"""Between measured points and never beyond them: the neighbours of a point, and their weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import combinations
from typing import TypeAlias

Point: TypeAlias = tuple[Decimal, Decimal]
Weights: TypeAlias = Mapping[Point, Decimal]

_ZERO, _ONE = Decimal(0), Decimal(1)


def neighbours(points: Iterable[Point], at: Point) -> Weights | None:
    """Weights, none negative, that add up to 1 and whose mean of `points` is `at`.

    Of the point itself, else of the two or three points around it that lie closest together. None:
    `at` is outside the points. A mean with these weights is between the values of the neighbours.
    """
    known = sorted(set(points))
    if at in known:
        return {at: _ONE}
    around = [*_segments(known, at), *_triangles(known, at)]
    return min(around, key=_size, default=None)


def along(values: Iterable[Decimal], at: Decimal) -> Mapping[Decimal, Decimal] | None:
    """The same on a line."""
    weights = neighbours([(value, _ZERO) for value in values], (at, _ZERO))
    return None if weights is None else {value: weight for (value, _), weight in weights.items()}


def _segments(points: Iterable[Point], at: Point) -> Iterator[Weights]:
    for one, other in combinations(points, 2):
        length = _dot(one, other, other)
        share = _dot(one, other, at) / length
        if _cross(one, other, at) == 0 and 0 <= share <= 1:
            yield {one: 1 - share, other: share}


def _triangles(points: Iterable[Point], at: Point) -> Iterator[Weights]:
    for a, b, c in combinations(points, 3):
        area = _cross(a, b, c)
        parts = (_cross(b, c, at), _cross(c, a, at), _cross(a, b, at))
        if area and all(part * area >= 0 for part in parts):
            yield {corner: part / area for corner, part in zip((a, b, c), parts, strict=True)}


def _size(weights: Weights) -> Decimal:
    """The longest way between two neighbours, squared."""
    return max(_dot(one, other, other) for one, other in combinations(weights, 2))


def _dot(origin: Point, one: Point, other: Point) -> Decimal:
    x, y = origin
    return (one[0] - x) * (other[0] - x) + (one[1] - y) * (other[1] - y)


def _cross(origin: Point, one: Point, other: Point) -> Decimal:
    x, y = origin
    return (one[0] - x) * (other[1] - y) - (one[1] - y) * (other[0] - x)
