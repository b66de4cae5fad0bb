"""comparator.rules.rulebook: what a rule may say, and what is refused as it can never fire."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from comparator.rules.bounds import Bounds
from comparator.rules.crossing import Crossing
from comparator.rules.header import Collecting
from comparator.rules.rulebook import check_rules, read_rule
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
