"""comparator.rules.machine: a rule tells each crossing once, and nothing else."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comparator.event import Range
from comparator.rules.bounds import Bounds
from comparator.rules.crossing import Crossing
from comparator.rules.machine import step
from comparator.rules.state import Observation, State, Transition

EXAMPLES = int(os.environ.get("BREAKEVEN_EXAMPLES", "300"))
"""Random sequences per property; for a long run set it to 20000 and give pytest --timeout=0."""

NOON = datetime(2026, 8, 21, 12, tzinfo=UTC)
BELOW_1 = Crossing("pays", "bot", Bounds(low=Decimal(1)), Bounds(low=Decimal("1.05")))
ABOVE_1 = Crossing("costs", "bot", Bounds(high=Decimal(1)), Bounds(high=Decimal("0.95")))


def ratio(point: str, spread: str = "0") -> Range:
    """A range of `point` more or less `spread`."""
    middle, width = Decimal(point), Decimal(spread)
    return Range(middle - width, middle, middle + width)


def look(hour: int, point: str | None, spread: str = "0", **rest: str) -> Observation:
    """What a look at that hour gives; None: the ratio is unknown."""
    found = None if point is None else ratio(point, spread)
    return Observation(NOON + timedelta(hours=hour), found, **rest)


def run(
    rule: Crossing, observations: Iterable[Observation], state: State | None = None
) -> tuple[State, list[Transition]]:
    """The state after all of them, and everything that was told."""
    state = state or State()
    told: list[Transition] = []
    for observation in observations:
        state, transitions = step(rule, state, observation)
        told += transitions
    return state, told


def hours(count: int) -> datetime:
    """So many hours after noon."""
    return NOON + timedelta(hours=count)


def kinds(rule: Crossing, *points: str | None) -> list[str]:
    """What is told of these ratios, one per hour."""
    _, told = run(rule, (look(hour, point) for hour, point in enumerate(points)))
    return [transition.kind for transition in told]


def after(*points: str | None, rule: Crossing = BELOW_1) -> State:
    """The state after these ratios, one per hour."""
    return run(rule, (look(hour, point) for hour, point in enumerate(points)))[0]


class TestStep:
    def test_calm_at_first(self) -> None:
        """The first ratio on the safe side is no news."""
        assert ([], "ok") == (kinds(BELOW_1, "1.2"), after("1.2").name)

    def test_past_at_first(self) -> None:
        """A threshold that is passed at first sight is told as such, at once."""
        assert (["initial"], "firing") == (kinds(BELOW_1, "0.9"), after("0.9").name)

    def test_fires_when_confirmed(self) -> None:
        """The second distinct look past the threshold fires; the first only waits."""
        assert "pending" == after("1.2", "0.9").name
        assert (["fired"], "firing") == (
            kinds(BELOW_1, "1.2", "0.9", "0.9"),
            after("1.2", "0.9", "0.9").name,
        )

    def test_rises_above(self) -> None:
        """The other direction is the same thing upside down."""
        assert ["fired", "resolved"] == kinds(ABOVE_1, "0.9", "1.1", "1.1", "1", "0.9", "0.9")

    @pytest.mark.parametrize("between", ["1.02", "1", "1.2"])
    def test_pending_needs_looks_in_a_row(self, between: str) -> None:
        """A look in the band or beyond ends the waiting: one wrong reading never fires."""
        assert [] == kinds(BELOW_1, "1.2", "0.9", between, "0.9")

    def test_resolves_when_confirmed(self) -> None:
        """The second distinct look past `clear` resolves; the first only waits."""
        assert "recovering" == after("0.9", "1.2").name
        assert ["initial", "resolved"] == kinds(BELOW_1, "0.9", "1.2", "1.2")

    @pytest.mark.parametrize("between", ["1.02", "1.05", "0.9"])
    def test_recovering_needs_looks_in_a_row(self, between: str) -> None:
        """A look in the band or below holds the alarm."""
        assert ["initial"] == kinds(BELOW_1, "0.9", "1.2", between, "1.2")

    def test_exactly_at_the_threshold(self) -> None:
        """A ratio that equals the threshold isn't past it."""
        assert [] == kinds(BELOW_1, "1", "1", "1")

    def test_wandering(self) -> None:
        """A ratio that wanders round the threshold within the band is told once."""
        assert ["fired"] == kinds(BELOW_1, "1.2", *["0.98", "0.98", "1.03", "1.03"] * 5)

    @pytest.mark.parametrize(("certainty", "told"), [("definite", []), ("point", ["fired"])])
    def test_certainty(self, certainty: str, told: list[str]) -> None:
        """A range across the threshold is no crossing, unless the user asked for the point."""
        careful = replace(BELOW_1, certainty=certainty)
        looks = [look(0, "1.2"), look(1, "0.9", "0.2"), look(2, "0.9", "0.2")]
        assert told == [transition.kind for transition in run(careful, looks)[1]]

    def test_certainty_upwards(self) -> None:
        """Upwards too it's the whole range that must pass the threshold, and come back."""
        at_first, later = look(0, "1.1", "0.05"), [look(1, "0.9", "0.1"), look(2, "0.9", "0.1")]
        assert ["initial"] == [told.kind for told in run(ABOVE_1, [at_first, *later])[1]]
        assert [] == run(ABOVE_1, [look(0, "1.1", "0.2")])[1]

    def test_hold(self) -> None:
        """`for` wants the time as well as the looks."""
        patient = replace(BELOW_1, hold=timedelta(hours=3))
        assert [] == kinds(patient, "1.2", "0.9", "0.9", "0.9")
        assert ["fired"] == kinds(patient, "1.2", "0.9", "0.9", "0.9", "0.9")

    def test_hold_needs_looks_too(self) -> None:
        """`for` alone isn't enough: after a long silence one look doesn't fire."""
        patient = replace(BELOW_1, hold=timedelta(hours=3), confirm=3)
        _, told = run(patient, [look(0, "1.2"), look(1, "0.9"), look(50, "0.9")])
        assert [] == told

    def test_told_once(self) -> None:
        """A look that is judged again, as after a crash, isn't counted twice."""
        _, told = run(BELOW_1, [look(0, "1.2"), look(1, "0.9"), look(1, "0.9"), look(1, "0.9")])
        assert [] == told

    def test_backfill(self) -> None:
        """What is learnt late about the past changes nothing."""
        state = replace(after("1.2", "1.2"), health="error")
        assert (state, ()) == step(BELOW_1, state, look(-3, "0.1"))

    def test_unknown_ratio(self) -> None:
        """A missing ratio changes the health and nothing else, and the counting goes on after."""
        waiting = after("1.2", "0.9")
        missing, told = step(BELOW_1, waiting, look(2, None, health="error"))
        assert (replace(waiting, health="error"), ()) == (missing, told)
        assert ["fired"] == [told.kind for told in run(BELOW_1, [look(3, "0.9")], missing)[1]]

    @pytest.mark.parametrize("health", ["stale", "quarantined", "unknown"])
    def test_untrusted_ratio(self, health: str) -> None:
        """A ratio from prices that aren't fresh changes the health and nothing else."""
        calm = after("1.2")
        looks = [look(hour, "0.1", health=health) for hour in (1, 2, 3)]
        assert (replace(calm, health=health), []) == run(BELOW_1, looks, calm)

    def test_health_without_a_new_look(self) -> None:
        """Prices go stale without anybody looking, and that shows."""
        calm = after("1.2")
        assert "stale" == step(BELOW_1, calm, look(0, "1.2", health="stale"))[0].health

    def test_failing_source(self) -> None:
        """The last prices of a source that fails count, until they are too old."""
        looks = [look(0, "1.2"), look(1, "0.9", health="error"), look(2, "0.9", health="error")]
        state, told = run(BELOW_1, looks)
        assert (["fired"], "error") == ([each.kind for each in told], state.health)

    def test_what_is_told(self) -> None:
        """`fired` carries the ratio when last told and now; `resolved` the whole episode."""
        points = ("1.2", "0.9", "0.89", "0.95", "1.3", "1.1")
        _, (fired, resolved) = run(BELOW_1, [look(h, point) for h, point in enumerate(points)])
        episode = {
            "since": hours(1),
            "calm": hours(0),
            "highest": Decimal("0.9"),
            "lowest": Decimal("0.89"),
            "level": 1,
        }
        assert fired == Transition(
            "fired", "firing", hours(2), ratio("1.2"), ratio("0.89"), **episode
        )
        episode["highest"] = Decimal("0.95")
        assert resolved == Transition(
            "resolved", "ok", hours(5), ratio("0.89"), ratio("1.1"), **episode
        )

    def test_next_episode(self) -> None:
        """A new episode knows nothing of the one before."""
        points = ("0.5", "1.2", "1.2", "0.9", "0.8")
        _, told = run(BELOW_1, [look(hour, point) for hour, point in enumerate(points)])
        assert (NOON + timedelta(hours=3), Decimal("0.8")) == (told[-1].since, told[-1].lowest)


class TestWorse:
    """Episodes that go on getting worse; without a cool-down, but for its own test."""

    EAGER = replace(BELOW_1, cool_down=timedelta(0))

    def test_a_step(self) -> None:
        """10 % further than what was told, in two looks, is told once."""
        assert ["fired", "worsened"] == kinds(self.EAGER, "1.2", *["0.9"] * 2, *["0.81"] * 4)

    def test_less_than_a_step(self) -> None:
        """What wanders less than a step is no news."""
        assert ["fired"] == kinds(self.EAGER, "1.2", *["0.9"] * 2, *["0.82"] * 4)

    def test_one_look(self) -> None:
        """One reading that is far worse is told no more than one beyond the threshold."""
        assert ["fired"] == kinds(self.EAGER, "1.2", *["0.9", "0.9", "0.09"] * 5)

    def test_counted_from_what_was_told(self) -> None:
        """Small steps add up, and the next step counts from the last message."""
        points = [f"0.{cents}" for cents in range(90, 60, -1)]
        _, told = run(self.EAGER, [look(h, point) for h, point in enumerate(["1.2", *points])])
        after = [str(each.after.point) for each in told if each.after]
        assert ["0.89", "0.79", "0.70", "0.62"] == after

    def test_not_back(self) -> None:
        """The way back to the threshold isn't worse, nor what follows until a new low."""
        points = ("1.2", *["0.7"] * 2, *["0.95"] * 2, *["0.7"] * 3)
        assert ["fired"] == kinds(self.EAGER, *points)

    def test_cool_down(self) -> None:
        """Within a day of the last message it isn't told, after that it is."""
        looks = [look(0, "1.2"), look(1, "0.9"), look(2, "0.9")]
        looks += [look(hour, "0.5") for hour in range(3, 40)]
        told = run(BELOW_1, looks)[1]
        assert [("fired", hours(2)), ("worsened", hours(26))] == [(t.kind, t.at) for t in told]

    def test_upwards(self) -> None:
        """The other direction is the same thing upside down."""
        eager = replace(ABOVE_1, cool_down=timedelta(0))
        assert ["fired", "worsened"] == kinds(eager, "0.9", *["2"] * 2, *["2.2"] * 3)

    def test_whole_range(self) -> None:
        """A range must be a step further with its nearer end, unless the point was asked for."""
        looks = [look(0, "1.2"), look(1, "0.9"), look(2, "0.9")]
        looks += [look(hour, "0.75", "0.1") for hour in range(3, 6)]
        pointed = replace(self.EAGER, certainty="point")
        assert ["fired"] == [each.kind for each in run(self.EAGER, looks)[1]]
        assert ["fired", "worsened"] == [each.kind for each in run(pointed, looks)[1]]

    def test_never(self) -> None:
        """A step of 0 is none."""
        quiet = replace(self.EAGER, renotify_step=Decimal(0))
        assert ["fired"] == kinds(quiet, "1.2", *["0.9"] * 2, *["0.1"] * 3)


class TestLadder:
    LADDER = replace(BELOW_1, critical=Bounds(Decimal("0.8")), renotify_step=Decimal(0))

    def levels(self, *points: str) -> list[tuple[str, int]]:
        """What is told, and at which level."""
        _, told = run(self.LADDER, [look(hour, point) for hour, point in enumerate(points)])
        return [(each.kind, each.level) for each in told]

    def test_level_by_level(self) -> None:
        """Each level that is reached is told once, and the end with the highest of them."""
        points = ("1.2", "0.9", "0.9", "0.7", "0.7", "0.9", "0.9", "0.7", "0.7", "1.2", "1.2")
        expected = [("fired", 1), ("worsened", 2), ("resolved", 2)]
        assert expected == self.levels(*points)

    def test_at_once(self) -> None:
        """Both levels passed in the same looks are one message."""
        assert [("fired", 2)] == self.levels("1.2", "0.7", "0.7", "0.7")

    def test_one_look(self) -> None:
        """The level, too, wants looks in a row."""
        assert [("fired", 1)] == self.levels("1.2", "0.9", "0.7", "0.9", "0.7", "0.9")

    def test_no_cool_down(self) -> None:
        """A level is told when it is reached, however short ago the last message was."""
        assert [("fired", 1), ("worsened", 2)] == self.levels("1.2", "0.9", "0.7", "0.7")

    def test_severity(self) -> None:
        """The second level is critical, and its threshold the one that is told."""
        ladder = self.LADDER
        assert ("warn", "critical") == (ladder.severity_of(1), ladder.severity_of(2))
        assert "ratio falls below 0.8" == ladder.threshold_of(2)

    def test_first_sight(self) -> None:
        """At first sight the level is what it is."""
        assert [("initial", 2)] == self.levels("0.7", "0.7", "0.7")


class TestBand:
    BAND = Crossing(
        "band",
        "bot",
        Bounds(Decimal("0.8"), Decimal("1.2")),
        Bounds(Decimal("0.84"), Decimal("1.14")),
    )

    @pytest.mark.parametrize("outside", ["0.7", "1.3"])
    def test_either_side(self, outside: str) -> None:
        """It fires on both sides, and resolves in the middle."""
        assert ["fired", "resolved"] == kinds(self.BAND, "1", *[outside] * 2, *["1"] * 2)

    @pytest.mark.parametrize("edge", ["0.82", "1.16"])
    def test_dead_band(self, edge: str) -> None:
        """Just within it holds."""
        assert ["fired"] == kinds(self.BAND, "1", "0.7", "0.7", *[edge] * 5)

    def test_straddling(self) -> None:
        """A range that reaches over both sides has left neither."""
        assert [] == run(self.BAND, [look(0, "1"), *(look(h, "1", "0.5") for h in (1, 2, 3))])[1]

    def test_across(self) -> None:
        """From one side to the other without an end between is told, and at once."""
        points = ("1", *["0.7"] * 2, *["1.3"] * 2)
        assert ["fired", "worsened"] == kinds(self.BAND, *points)


class TestGone:
    def test_open(self) -> None:
        """What is sold no more ends the episode with that reason, and that is no resolution."""
        state, told = run(BELOW_1, [look(2, None, health="gone")], after("0.9", "0.8"))
        (gone,) = told
        assert ("discontinued", "ok", None) == (gone.kind, gone.state, gone.after)
        assert (hours(0), Decimal("0.8")) == (gone.since, gone.lowest)
        assert ("ok", "gone") == (state.name, state.health)

    @pytest.mark.parametrize(("first", "sent"), [("summary", False), ("notify", True)])
    def test_who_is_told(self, first: str, sent: bool) -> None:
        """Whoever was told that it began is told that it ended."""
        rule = replace(BELOW_1, first=first)
        _, told = run(rule, [look(0, "0.9"), look(1, None, health="gone")])
        assert [sent, sent] == [each.send for each in told]

    def test_once(self) -> None:
        """It is told once, and not at all when nothing was open."""
        gone = [look(hour, None, health="gone") for hour in (3, 4, 5)]
        assert 1 == len(run(BELOW_1, gone, after("0.9"))[1])
        assert [] == run(BELOW_1, gone, after("1.2", "0.9"))[1]

    def test_back_again(self) -> None:
        """When it is sold again, a new episode needs its looks."""
        looks = [look(2, None, health="gone"), look(3, "0.9"), look(4, "0.9")]
        told = run(BELOW_1, looks, after("0.9"))[1]
        assert ["discontinued", "fired"] == [each.kind for each in told]

    def test_late(self) -> None:
        """That it was gone for a time is no news now."""
        open_one = after("0.9", "0.9", "0.9")
        assert (open_one, ()) == step(BELOW_1, open_one, look(1, None, health="gone"))


class TestTime:
    def test_gap_while_pending(self) -> None:
        """Looks that lie further apart than `max_gap` aren't counted together."""
        assert [] == run(BELOW_1, [look(0, "1.2"), look(1, "0.9"), look(50, "0.9")])[1]
        looks = [look(0, "1.2"), look(1, "0.9"), look(50, "0.9"), look(51, "0.9")]
        (fired,) = run(BELOW_1, looks)[1]
        assert (hours(50), hours(1)) == (fired.since, fired.calm)

    def test_gap_while_recovering(self) -> None:
        """The same for the way back."""
        looks = [look(1, "1.2"), look(50, "1.2"), look(51, "1.2")]
        (resolved,) = run(BELOW_1, looks, after("0.9"))[1]
        assert hours(51) == resolved.at

    def test_gap_while_firing(self) -> None:
        """A gap ends no episode."""
        assert [] == run(BELOW_1, [look(500, "0.9")], after("0.9"))[1]

    def test_across_a_gap(self) -> None:
        """What is found after a gap says between which looks it happened."""
        (fired,) = run(BELOW_1, [look(0, "1.2"), look(90, "0.9"), look(91, "0.9")])[1]
        assert (hours(0), hours(90)) == (fired.calm, fired.since)

    def test_clock_set_back(self) -> None:
        """Looks of a clock that runs an hour late wait until it has caught up."""
        looks = [look(4, "1.2"), look(3, "0.9"), look(4, "0.9"), look(5, "0.9"), look(6, "0.9")]
        (fired,) = run(BELOW_1, looks)[1]
        assert (hours(5), hours(6)) == (fired.since, fired.at)

    def test_clock_from_the_future(self) -> None:
        """A clock that was years ahead doesn't silence a rule for years, nor fire it at once."""
        ahead = run(BELOW_1, [look(0, "1.2"), look(10_000, "0.9")])[0]
        right = [replace(look(hour, "0.9"), now=hours(hour)) for hour in (1, 1, 2)]
        state, told = run(BELOW_1, right[:2], ahead)
        assert ("pending", []) == (state.name, told)
        assert ["fired"] == [each.kind for each in run(BELOW_1, right[2:], state)[1]]

    def test_no_time_is_negative(self) -> None:
        """`for` and the cool-down can't be undone by a clock that was set back."""
        patient = replace(BELOW_1, hold=timedelta(hours=3))
        ahead = run(patient, [look(0, "1.2"), look(10_000, "0.9")])[0]
        right = [replace(look(hour, "0.9"), now=hours(hour)) for hour in (1, 2, 3, 4)]
        (fired,) = run(patient, right, ahead)[1]
        assert (hours(1), hours(4)) == (fired.since, fired.at)


class TestEdited:
    def test_now_past(self) -> None:
        """An edited rule is judged anew at once, without a new look, and only noted."""
        state, told = run(
            replace(BELOW_1, fire=Bounds(Decimal("1.3"))), [look(0, "1.2")], after("1.2")
        )
        assert ("firing", ["rule_edited"]) == (state.name, [each.kind for each in told])

    def test_now_calm(self) -> None:
        """An open episode ends with the edit and isn't resolved by it."""
        state, told = run(
            replace(BELOW_1, fire=Bounds(Decimal("0.5"))), [look(0, "0.9")], after("0.9")
        )
        assert ("ok", ["rule_edited"]) == (state.name, [each.kind for each in told])

    def test_calculation(self) -> None:
        """Another way to calculate the ratio is no crossing either."""
        calm = after("1.2")
        state, told = run(BELOW_1, [look(1, "0.9", calculation="new")], calm)
        assert ("firing", ["rule_edited"]) == (state.name, [each.kind for each in told])

    @pytest.mark.parametrize(("first", "sent"), [("summary", False), ("notify", True)])
    def test_who_is_told(self, first: str, sent: bool) -> None:
        """An episode that was sent ends for those who know of it; else it is only recorded."""
        edited = replace(BELOW_1, fire=Bounds(Decimal("0.5")), first=first)
        open_one = after("0.9", rule=replace(BELOW_1, first=first))
        _, (told,) = run(edited, [look(0, "0.9")], open_one)
        assert (sent, hours(0)) == (told.send, told.since)

    def test_still_firing(self) -> None:
        """An episode that goes on under the edited rule was told with the edit: so is its end."""
        fired = after("1.2", "0.9", "0.9")
        edited = replace(BELOW_1, fire=Bounds(Decimal("0.95")))
        looks = [look(3, "0.9"), look(4, None, health="gone")]
        told = run(edited, looks, fired)[1]
        assert [("rule_edited", True), ("discontinued", True)] == [(t.kind, t.send) for t in told]

    def test_waits_for_a_ratio(self) -> None:
        """With the ratio unknown an edited rule keeps its state until there is one."""
        state, told = run(
            replace(BELOW_1, fire=Bounds(Decimal("0.5"))), [look(1, None)], after("0.9")
        )
        assert ("firing", []) == (state.name, told)

    @pytest.mark.parametrize(
        "edit",
        [
            {"confirm": 3},
            {"hold": timedelta(hours=1)},
            {"severity": "critical"},
            {"receivers": ("mail",)},
            {"fire": Bounds(Decimal("1.00"))},
        ],
    )
    def test_not_the_meaning(self, edit: dict[str, Any]) -> None:
        """An edit that leaves the threshold alone leaves the state alone: no crossing is lost."""
        waiting = after("1.2", "0.9")
        assert (waiting, ()) == step(replace(BELOW_1, **edit), waiting, look(1, "0.9"))

    def test_older_look(self) -> None:
        """A workload that now asks another source, read earlier, doesn't turn the clock back."""
        calm = after("1.2", "1.2")
        state, _ = step(BELOW_1, calm, look(0, "0.9", calculation="other source"))
        assert ("firing", calm.watermark) == (state.name, state.watermark)


# Ratios on, beside and between the thresholds 1 and 0.95 or 1.05, with ranges across them.
POINTS = tuple(Decimal(cents) / 100 for cents in (0, 50, 80, 90, 95, 96, 100, 101, 105, 106, 900))
RANGES = st.sampled_from(
    [Range(*three) for three in itertools.combinations_with_replacement(POINTS, 3)]
    + [Range.exactly(point) for point in POINTS] * 10
)
RULES = st.builds(
    replace,
    st.sampled_from(
        [
            BELOW_1,
            ABOVE_1,
            replace(BELOW_1, critical=Bounds(Decimal("0.85")), renotify_step=Decimal(0)),
            replace(ABOVE_1, critical=Bounds(high=Decimal("1.05"))),
            replace(
                BELOW_1,
                fire=Bounds(Decimal("0.9"), Decimal("1.05")),
                clear=Bounds(Decimal("0.95"), Decimal("1.01")),
            ),
        ]
    ),
    confirm=st.integers(1, 4),
    confirm_clear=st.integers(1, 4),
    hold=st.sampled_from([timedelta(0), timedelta(hours=2), timedelta(hours=5)]),
    certainty=st.sampled_from(["definite", "point"]),
    first=st.sampled_from(["summary", "notify"]),
    renotify_step=st.sampled_from([Decimal(0), Decimal("0.1"), Decimal("0.5")]),
    cool_down=st.sampled_from([timedelta(0), timedelta(hours=4)]),
    max_gap=st.sampled_from([timedelta(hours=2), timedelta(days=2)]),
)
FRESH_LOOKS = st.lists(st.tuples(st.integers(1, 3), RANGES), max_size=30).map(
    lambda steps: [
        Observation(hours(at), found)
        for at, (_, found) in zip(itertools.accumulate(gap for gap, _ in steps), steps, strict=True)
    ]
)
"""Trusted ratios in the order of their looks."""

UNTRUSTED = ("stale", "quarantined", "unknown")
_JUMPS = (0,) * 12 + (-1, 1, 30, -30, -5_000)
ANY_LOOKS = st.lists(
    st.builds(
        lambda hour, found, health, calculation, jump: Observation(
            hours(hour), found, health, calculation, hours(hour + jump)
        ),
        st.integers(0, 50),
        RANGES | st.none(),
        st.sampled_from(("fresh",) * 9 + ("error", "gone", *UNTRUSTED)),
        st.sampled_from(["one"] * 12 + ["another"]),
        st.sampled_from(_JUMPS),
    ),
    max_size=30,
)
"""Anything in any order, from a workload that is edited now and then, by a clock that jumps."""

soak = settings(max_examples=EXAMPLES, deadline=None)


def figures(rule: Crossing, found: Range | None) -> tuple[Decimal, Decimal]:
    """The ends of what of a ratio counts."""
    assert found is not None
    return (found.low, found.high) if rule.certainty == "definite" else (found.point, found.point)


def is_past(bounds: Bounds, ends: tuple[Decimal, Decimal]) -> bool:
    """Whether all between these ends lies beyond a threshold."""
    low, high = ends
    below = bounds.low is not None and high < bounds.low
    return below or (bounds.high is not None and low > bounds.high)


class TestProperties:
    @soak
    @given(st.lists(RULES, min_size=1, max_size=3), ANY_LOOKS)
    def test_alternate(self, rules: list[Crossing], looks: list[Observation]) -> None:
        """Episodes begin when none is open, and go on and end only when one is: whatever comes, in
        whatever order, and however the rule is edited meanwhile."""
        state, is_open = State(), False
        for number, seen in enumerate(looks):
            state, told = step(rules[number * len(rules) // len(looks)], state, seen)
            for each in told:
                if each.kind != "rule_edited":
                    assert is_open == (each.kind not in ("initial", "fired"))
                is_open = each.state == "firing"
            assert is_open == state.is_open
            assert len(told) <= 1

    @soak
    @given(st.lists(RULES, min_size=1, max_size=3), ANY_LOOKS)
    def test_whoever_is_told_of_a_beginning_is_told_of_the_end(
        self, rules: list[Crossing], looks: list[Observation]
    ) -> None:
        """An episode that was sent ends with a message, whatever ends it."""
        state, known = State(), False
        for number, seen in enumerate(looks):
            state, told = step(rules[number * len(rules) // len(looks)], state, seen)
            for each in told:
                if known and each.kind in ("resolved", "discontinued", "rule_edited"):
                    assert each.send
                known = state.is_open and (each.send or known)
            assert known == state.paged

    @soak
    @given(RULES, ANY_LOOKS, st.integers(0, 30))
    def test_restart(self, rule: Crossing, looks: list[Observation], at: int) -> None:
        """A restart at any point, with the state read back from JSON, changes nothing."""
        state, told = run(rule, looks[:at])
        restored = State.restore(json.loads(json.dumps(state.as_dict())))
        end, rest = run(rule, looks[at:], restored)
        assert run(rule, looks) == (end, told + rest)

    @soak
    @given(RULES, FRESH_LOOKS, st.lists(st.tuples(st.integers(0, 30), RANGES), min_size=1))
    def test_repeated_and_late(
        self, rule: Crossing, looks: list[Observation], noise: list[tuple[int, Range]]
    ) -> None:
        """Looks that are judged again, or late with any other ratio, add nothing."""
        noisy = []
        for number, now in enumerate(looks):
            back, found = noise[number % len(noise)]
            again = looks[max(0, number - back)]
            noisy += [now, again, Observation(again.at, found)]
        assert run(rule, looks) == run(rule, noisy)

    @soak
    @given(
        RULES,
        FRESH_LOOKS,
        st.lists(st.tuples(RANGES | st.none(), st.sampled_from(UNTRUSTED)), min_size=1),
    )
    def test_missing(
        self, rule: Crossing, looks: list[Observation], missing: list[tuple[Range | None, str]]
    ) -> None:
        """Missing and untrusted ratios, strewn in anywhere, tell nothing and cost nothing."""
        strewn = []
        for number, trusted in enumerate(looks):
            found, health = missing[number % len(missing)]
            gap = Observation(trusted.at, found, health)
            strewn += [gap, trusted, gap]
        state, told = run(rule, looks)
        gappy, gappy_told = run(rule, strewn)
        assert (replace(state, health=""), told) == (replace(gappy, health=""), gappy_told)

    @soak
    @given(RULES, ANY_LOOKS)
    def test_wholly_past(self, rule: Crossing, looks: list[Observation]) -> None:
        """What begins or worsens is past the threshold with its whole range, critical past that of
        the level; what resolved is back past `clear`."""
        level = 0
        for told in run(rule, looks)[1]:
            if told.kind in ("initial", "fired", "worsened"):
                risen = told.kind != "worsened" or told.level > level
                passed = rule.critical if rule.critical and risen and told.level == 2 else rule.fire
                assert is_past(passed, figures(rule, told.after))
            level = told.level
            if told.kind == "resolved":
                low, high = figures(rule, told.after)
                assert rule.clear.low is None or low > rule.clear.low
                assert rule.clear.high is None or high < rule.clear.high

    @soak
    @given(RULES, FRESH_LOOKS)
    def test_confirmed(self, rule: Crossing, looks: list[Observation]) -> None:
        """Before `fired` stand `confirm` looks in a row that all pass, over at least `hold`, and
        before `resolved` `confirm_clear` that are all back, none further apart than `max_gap`."""
        for told in run(rule, looks)[1]:
            until = [seen for seen in looks if seen.at <= told.at]
            if told.kind == "fired":
                counted = until[-rule.confirm :]
                assert all(is_past(rule.fire, figures(rule, seen.range)) for seen in counted)
                assert told.since is not None
                assert rule.hold <= told.at - told.since
            elif told.kind == "resolved":
                counted = until[-rule.confirm_clear :]
                assert all(seen.range and rule.is_clear(seen.range) for seen in counted)
            else:
                continue
            pairs = itertools.pairwise(counted)
            assert all(after.at - before.at <= rule.max_gap for before, after in pairs)

    @soak
    @given(RULES, FRESH_LOOKS)
    def test_worsened(self, rule: Crossing, looks: list[Observation]) -> None:
        """What is told again has reached the next level, or the other side, or is a whole step
        further than what was told and after the cool-down; in `confirm` looks."""
        last: Transition | None = None
        for told in run(rule, looks)[1]:
            if told.kind == "worsened" and last and told.level == last.level:
                counted = [seen.range for seen in looks if seen.at <= told.at][-rule.confirm :]
                assert last.after is not None
                assert all(seen and rule.is_worse(seen, last.after) for seen in counted)
                across = rule.side(told.after or last.after) != rule.side(last.after)
                assert across or told.at - last.at >= rule.cool_down
            last = told
