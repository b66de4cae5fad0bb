"""breakeven.chart: a step chart of text that shows the figures and the times it was given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from breakeven.chart import chart

DAY = datetime(2024, 1, 1, tzinfo=UTC)
D = Decimal


def day(number: int) -> datetime:
    """Of the history."""
    return DAY + timedelta(days=number)


def test_a_fall_is_a_step_down() -> None:
    """Four until the middle, then one, with the level between them and the dates below."""
    drawn = chart([(day(0), D(4)), (day(10), D(1))], day(20), level=D(2), columns=41, rows=5)
    assert drawn == [
        "4 ┤────────────────────╮",
        "  ┤                    │",
        "2 ┤┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄│┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄",
        "  ┤                    │",
        "1 ┤                    ╰────────────────────",
        "   2024-01-01     2024-01-11     2024-01-21",
    ]


def test_a_rise_is_a_step_up() -> None:
    """The corners turn the other way."""
    drawn = chart([(day(0), D(1)), (day(10), D(4))], day(20), columns=41, rows=3)
    assert drawn[:3] == [
        "4 ┤                    ╭────────────────────",
        "  ┤                    │",
        "1 ┤────────────────────╯",
    ]


def test_what_is_unknown_is_a_gap() -> None:
    """A price that was withdrawn leaves nothing until it is back."""
    points = [(day(0), D(1)), (day(5), None), (day(15), D(1))]
    line = chart(points, day(20), columns=41, rows=1)[0].partition("┤")[2]
    assert line == "─" * 10 + " " * 20 + "─" * 11


def test_nothing_known_is_no_chart() -> None:
    """Not even axes."""
    assert chart([(day(0), None)], day(5)) == []


def test_what_is_free_has_a_straight_scale() -> None:
    """Zero has no logarithm; it stands at the bottom, named as 0."""
    drawn = chart([(day(0), D(10)), (day(1), D(0))], day(2), rows=3)
    assert [line.partition("┤")[0].strip() for line in drawn[:3]] == ["10", "", "0"]


points = st.lists(st.none() | st.decimals("0", "1e6", places=4), min_size=1, max_size=8)


@given(points, st.integers(2, 20))
def test_every_chart_has_its_size(values: list[Decimal | None], rows: int) -> None:
    """As many rows as asked for, and the dates; no line is longer than the others allow."""
    series = [(day(number), value) for number, value in enumerate(values)]
    drawn = chart(series, day(30), level=D(1), rows=rows, columns=40)
    if any(value is not None for value in values):
        assert len(drawn) == rows + 1
        assert len({line.index("┤") for line in drawn[:-1]}) == 1
        assert max(len(line.partition("┤")[2]) for line in drawn) <= 40
