"""comparator.rules.rulebook: what a rule may say, and what is refused as it can never fire."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from comparator.rules.ahead import Ahead
from comparator.rules.bounds import Bounds
from comparator.rules.crossing import Crossing
from comparator.rules.header import Collecting
from comparator.rules.price_change import PriceChange
from comparator.rules.rulebook import EXAMPLES, Rule, check_rules, read_rule
from comparator.rules.source_health import SourceHealth
from comparator.rules.told import Pattern
from comparator.workload import Workload
from pricebook.config import Table
from pricebook.errors import ConfigError

BELOW_1 = Crossing("pays", "bot", Bounds(low=Decimal(1)), Bounds(low=Decimal("1.05")))


def rule(**settings: Any) -> Crossing:
    """A rule from a table with the required keys and these."""
    required = {"name": "pays", "workload": "bot", "when": "ratio falls below 1", "receivers": []}
    read = read_rule(Table(required | settings, '[[rule]] "pays"'), Collecting())
    assert isinstance(read, Crossing)
    return read


class TestRead:
    def test_defaults(self) -> None:
        """A rule with nothing but the required keys confirms twice and has a dead band of 5 %."""
        assert rule() == BELOW_1

    def test_rises_above(self) -> None:
        """The dead band lies on the safe side, so below a threshold that is passed upwards."""
        read = rule(when="ratio rises above 1.2")
        expected = Bounds(high=Decimal("1.2")), Bounds(high=Decimal("1.14"))
        assert expected == (read.fire, read.clear)

    def test_everything(self) -> None:
        """Every key has its place."""
        read = rule(
            when="ratio falls below 0.9",
            clear=Decimal("0.95"),
            confirm=3,
            confirm_clear=1,
            certainty="point",
            first="notify",
            severity="critical",
            receivers=["mail", "slack", "mail"],
            **{"for": "6h"},
        )
        expected = Crossing(
            "pays",
            "bot",
            Bounds(low=Decimal("0.9")),
            Bounds(low=Decimal("0.95")),
            receivers=("mail", "slack"),
            confirm=3,
            confirm_clear=1,
            hold=timedelta(hours=6),
            certainty="point",
            first="notify",
            severity="critical",
        )
        assert expected == read

    @pytest.mark.parametrize("when", ["ratio falls below 1", "ratio rises above 1.25"])
    def test_threshold_in_words(self, when: str) -> None:
        """A message repeats the condition as the user wrote it."""
        assert when == rule(when=when).threshold

    @pytest.mark.parametrize(
        "when",
        [
            "ratio < 1",
            "ratio falls below",
            "ratio falls below -1",
            "ratio falls below 1e3",
            "ratio falls below 1,2",
            "ratio falls below 1%",
            "ratio falls below 1 or so",
            "Ratio falls below 1",
            "ratio falls above 1",
            "ratio falls below ١",
            "cost falls below 1",
        ],
    )
    def test_unreadable(self, when: str) -> None:
        """A condition in any other words is refused, with the nearest that can be read."""
        with pytest.raises(ConfigError) as refused:
            rule(when=when)
        start = f'[[rule]] "pays": when is {when!r}; write it like "ratio '
        assert str(refused.value).startswith(start)
        assert str(refused.value).endswith('"; docs/rules.md has every condition')

    @pytest.mark.parametrize(
        ("when", "never"),
        [("ratio falls below 0", "never fire"), ("ratio rises above 0.0", "never resolve")],
    )
    def test_pointless(self, when: str, never: str) -> None:
        """A threshold that no ratio can cross is refused."""
        with pytest.raises(ConfigError, match=f"a ratio is never below 0, so it would {never}"):
            rule(when=when)

    @pytest.mark.parametrize(
        ("when", "clear", "side"),
        [
            ("ratio falls below 1", "1", "above 1"),
            ("ratio falls below 1", "0.95", "above 1"),
            ("ratio falls below 1", "Infinity", "above 1"),
            ("ratio rises above 1.2", "1.2", "below 1.2 and above 0"),
            ("ratio rises above 1.2", "1.3", "below 1.2 and above 0"),
            ("ratio rises above 1.2", "0", "below 1.2 and above 0"),
            ("ratio rises above 1.2", "NaN", "below 1.2 and above 0"),
        ],
    )
    def test_clear_on_the_wrong_side(self, when: str, clear: str, side: str) -> None:
        """A dead band that doesn't lie on the safe side of the threshold is refused."""
        with pytest.raises(ConfigError) as refused:
            rule(when=when, clear=Decimal(clear))
        expected = (
            f'[[rule]] "pays": clear is {clear}; to resolve, the ratio must come back to {side}'
        )
        assert expected == str(refused.value)

    @pytest.mark.parametrize("key", ["confirm", "confirm_clear"])
    def test_no_confirmation(self, key: str) -> None:
        """At least one look must say so."""
        with pytest.raises(ConfigError, match=f"{key} is 0; at least 1 look must say so"):
            rule(**{key: 0})

    def test_unknown_key(self) -> None:
        """A misspelt key is refused, not ignored."""
        with pytest.raises(ConfigError, match=r"confrim is not a setting \(did you mean confirm"):
            rule(confrim=3)


def workload(name: str = "bot", kind: str = "api", **settings: Any) -> Workload:
    """Two APIs against each other, or what else the settings say."""
    api = {
        "tokens": {"input": 1000, "output": 0},
        "candidate": {"seller": "deepseek", "product": "v3"},
    }
    given = {"name": name, "kind": kind, "api": {"seller": "openai", "product": "gpt"}}
    return Workload.from_table(Table(given | (settings or api), f'[[workload]] "{name}"'))


class TestNames:
    def test_known(self) -> None:
        """Rules that speak of what exists pass."""
        check_rules([rule(receivers=["mail"])], [workload()], ["mail", "slack"])

    def test_workload(self) -> None:
        """A workload that doesn't exist is refused with the nearest name."""
        with pytest.raises(ConfigError) as refused:
            check_rules([rule()], [workload("bots"), workload("search")], [])
        expected = "[[rule]] \"pays\": there is no workload 'bot'; did you mean 'bots'?"
        assert expected == str(refused.value)

    def test_receiver(self) -> None:
        """A receiver that doesn't exist is refused with the names that do, when none is near."""
        with pytest.raises(ConfigError) as refused:
            check_rules([rule(receivers=["pager"])], [workload()], ["mail", "slack"])
        expected = "[[rule]] \"pays\": there is no receiver 'pager'; known here: mail, slack"
        assert expected == str(refused.value)


class TestCrossings:
    def test_band(self) -> None:
        """A band has a threshold and a dead band on both sides."""
        read = rule(when="ratio leaves 0.8 to 1.2")
        expected = Bounds(Decimal("0.84"), Decimal("1.14"))
        assert (Bounds(Decimal("0.8"), Decimal("1.2")), expected) == (read.fire, read.clear)

    def test_narrow_band(self) -> None:
        """In a band of a few percent the dead bands leave the middle free."""
        read = rule(when="ratio leaves 0.98 to 1.02")
        assert Bounds(Decimal("0.99"), Decimal("1.01")) == read.clear

    def test_two_numbers(self) -> None:
        """What has two sides is written with two numbers."""
        read = rule(when="ratio leaves 0.8 to 1.2", clear="0.9 to 1.1", critical="0.5 to 2")
        assert Bounds(Decimal("0.9"), Decimal("1.1")) == read.clear
        assert Bounds(Decimal("0.5"), Decimal(2)) == read.critical

    def test_ladder(self) -> None:
        """The second level lies beyond the first."""
        assert Bounds(Decimal("0.8")) == rule(critical=Decimal("0.8")).critical

    def test_break_evens(self) -> None:
        """Volume and utilisation are compared with a number, or with the user's own."""
        volume = rule(when="break-even volume falls below 500_000_000")
        ours = rule(when="break-even utilisation rises above ours")
        assert ("break-even volume", Decimal(500_000_000)) == (volume.measure, volume.fire.low)
        assert (True, Decimal(1)) == (ours.ours, ours.fire.high)

    @pytest.mark.parametrize(
        "when",
        [
            "ratio leaves 0.8 to 1.2",
            "break-even volume falls below 500000000",
            "break-even utilisation rises above ours",
        ],
    )
    def test_threshold_in_words(self, when: str) -> None:
        """A message repeats the condition as the user wrote it."""
        assert when == rule(when=when).threshold

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"when": "ratio leaves 0 to 1"}, 'nothing is below 0; write "rises above 1"'),
            ({"when": "ratio leaves 1 to 1"}, "the first number must be below the second"),
            ({"when": "ratio leaves 2 to 1"}, "the first number must be below the second"),
            ({"when": "ratio falls below ours"}, "write it like"),
            ({"when": "break-even volume falls below 0"}, "so it would never fire"),
            ({"critical": 1}, "critical is 1; it must be passed after the threshold"),
            ({"critical": Decimal("1.1")}, "it must be passed after the threshold"),
            ({"critical": 0}, "and be above 0"),
            ({"critical": Decimal("0.5"), "severity": "critical"}, "is critical from the start"),
            ({"when": "ratio leaves 1 to 2", "clear": Decimal("1.5")}, "a text in quotes"),
            ({"when": "ratio leaves 1 to 2", "clear": "1.5"}, 'such as "0.84 to 1.14"'),
            ({"when": "ratio leaves 1 to 2", "clear": "0.9 to 1.9"}, "a part of 1 to 2"),
            ({"when": "ratio leaves 1 to 2", "clear": "1.6 to 1.4"}, "a part of 1 to 2"),
            ({"renotify_step": 1}, "write a part such as 0.1, or 0 for never"),
            ({"renotify_step": Decimal("NaN")}, "write a part such as 0.1"),
            ({"max_gap": "6h"}, "sources are read once in 21600s, so it must be longer"),
            ({"max_age": "1h"}, "sources are read once in 21600s, so it must be longer"),
        ],
    )
    def test_never(self, settings: dict[str, Any], words: str) -> None:
        """What could never fire, or never end, is refused with the reason."""
        with pytest.raises(ConfigError) as refused:
            rule(**settings)
        assert words in str(refused.value)

    @pytest.mark.parametrize(
        ("when", "words"),
        [
            ("break-even volume falls below 5", "two APIs have no break-even volume"),
            ("break-even utilisation falls below ours", "two APIs have no break-even utilisation"),
        ],
    )
    def test_no_such_figure(self, when: str, words: str) -> None:
        """A figure that a workload never has is refused."""
        with pytest.raises(ConfigError) as refused:
            check_rules([rule(when=when)], [workload()], [])
        expected = f"[[rule]] \"pays\": workload 'bot': {words}, so it would never fire"
        assert expected == str(refused.value)


COLLECTING = Collecting(timedelta(hours=6), ("openai", "aws-ec2"))


def read(**settings: Any) -> Rule:
    """A rule that is about no workload."""
    table = {"name": "news", "receivers": ["mail"]} | settings
    return read_rule(Table(table, '[[rule]] "news"'), COLLECTING)


class TestOthers:
    @pytest.mark.parametrize(
        "when",
        [
            "a price changes",
            "a price rises",
            "a price falls by 10 %",
            "a price changes by 2.5 %",
            "a scheduled price comes within 14 days",
            "an offer closes within 1 day",
            "a source is stale",
            "a source fails",
            "a source is stale or fails",
            "something needs review",
        ],
    )
    def test_every_condition(self, when: str) -> None:
        """Each kind is read, and says its condition as it was written."""
        assert (when, ("mail",)) == (read(when=when).threshold, read(when=when).receivers)

    def test_examples(self) -> None:
        """What is shown to who wrote something else can be read."""
        needs = {when: {"workload": "bot"} for when in EXAMPLES if when[:5] in ("ratio", "break")}
        found = [read(when=when, **needs.get(when, {})).threshold for when in EXAMPLES]
        assert list(EXAMPLES) == found

    def test_prices(self) -> None:
        """A rule on prices takes patterns of names."""
        prices = {"seller": "openai", "product": "gpt-5*", "meter": "input", "region": "us-*"}
        expected = PriceChange(
            "news",
            "falls",
            Decimal(10),
            Pattern("openai", "gpt-5*", "input", "us-*"),
            ("mail",),
            "critical",
        )
        assert expected == read(when="a price falls by 10%", prices=prices, severity="critical")

    def test_ahead(self) -> None:
        """A rule on what comes says how far ahead it looks."""
        expected = Ahead("news", timedelta(days=30), ends=True, receivers=("mail",))
        assert expected == read(when="an offer closes within 30 days")

    def test_sources(self) -> None:
        """All that are collected are watched, three pauses long, unless something else is said."""
        every = SourceHealth("news", timedelta(hours=18), 3, COLLECTING.sources, ("mail",))
        one = SourceHealth("news", None, 5, ("openai",), ("mail",))
        assert every == read(when="a source is stale or fails")
        assert one == read(when="a source fails", failures=5, sources=["openai"])

    @pytest.mark.parametrize(
        ("settings", "words"),
        [
            ({"when": "a price changes by 0 %"}, 'for any change write "a price changes"'),
            ({"when": "a price falls by 101 %"}, "nothing falls by more than 100 %"),
            (
                {"when": "a price changes", "prices": {"meter": "token"}},
                "meter is 'token'; no price has it; known: input, output",
            ),
            ({"when": "a price changes", "prices": {"model": "x"}}, "model is not a setting"),
            ({"when": "an offer closes within 0 days"}, "at least 1 day"),
            ({"when": "a source fails", "failures": 0}, "at least 1 try must have failed"),
            ({"when": "a source fails", "stale_after": "1d"}, "stale_after is not a setting"),
            ({"when": "a source is stale", "stale_after": "6h"}, "it must be longer than that"),
            (
                {"when": "something needs review", "sources": ["opena"]},
                "sources has 'opena', which isn't collected; known: openai, aws-ec2",
            ),
            ({"when": "a price changes", "workload": "bot"}, "workload is not a setting"),
            ({"when": "an offer closes in 3 days"}, 'write it like "an offer closes within 30'),
        ],
    )
    def test_refused(self, settings: dict[str, Any], words: str) -> None:
        """What is unreadable, or could never fire, is refused with the reason."""
        with pytest.raises(ConfigError) as refused:
            read(**settings)
        assert words in str(refused.value)
