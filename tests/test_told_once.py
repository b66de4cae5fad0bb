"""comparator.rules: prices, announcements, sources and reviews are told once each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from comparator.rules.ahead import Ahead, Coming, key_of
from comparator.rules.price_change import PriceChange, merged
from comparator.rules.source_health import Reviews, SourceHealth
from comparator.rules.told import Memory, News, Pattern
from pricebook.book import Change
from pricebook.quote import Series
from pricebook.standing import Standing, Waiting

NOON = datetime(2026, 8, 21, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GPT = Series.of("openai", "gpt-5", "input", "mtok", service_tier="standard")
P5 = Series.of("aws", "p5.48xlarge", "instance", "hour", region="us-east-1", term="on_demand")


def change(before: str | None, after: str | None, at: datetime = NOON) -> Change:
    """A change of GPT's price."""
    amounts = (None if amount is None else Decimal(amount) for amount in (before, after))
    return Change(GPT, *amounts, at)


def told(rule: PriceChange, *amounts: str | None) -> list[str]:
    """What is told of prices that follow each other, each seen in a look of its own."""
    memory: Memory = {}
    found: list[News] = []
    for before, after in itertools.pairwise(amounts):
        memory, news = rule.moved(json.loads(json.dumps(memory)), [change(before, after)])
        found += news
    return [one.text.split(", from ")[0].removeprefix("openai gpt-5 input ") for one in found]


class TestPriceChange:
    def test_any(self) -> None:
        """Every change is told, with its direction and how much it is."""
        rule = PriceChange("news", "changes")
        assert ["fell by 20 %", "rose by 12.5 %"] == told(rule, "10", "8", "9")

    def test_sentence(self) -> None:
        """The message says what it was and what it is, with units."""
        _, (news,) = PriceChange("news", "changes").moved({}, [change("10", "8")])
        expected = (
            "openai gpt-5 input fell by 20 %, from 10 USD for 10^6 tokens to 8 USD for 10^6 tokens."
        )
        assert ("price_changed", "fell", expected) == (news.kind, news.state, news.text)
        (why,) = news.why
        assert ("10 USD for 10^6 tokens", "8 USD for 10^6 tokens") == (why.before, why.after)

    @pytest.mark.parametrize(
        ("way", "expected"), [("rises", ["rose by 12.5 %"]), ("falls", ["fell by 20 %"])]
    )
    def test_one_way(self, way: str, expected: list[str]) -> None:
        """Only the direction that was asked for is told."""
        assert expected == told(PriceChange("news", way), "10", "8", "9")

    def test_by_percent(self) -> None:
        """From the percentage on, itself included."""
        rule = PriceChange("news", "changes", Decimal(10))
        assert ["rose by 10 %"] == told(rule, "10", "11")
        assert [] == told(rule, "10", "10.99")

    def test_small_steps_add_up(self) -> None:
        """A percentage is counted from the price that was last told, over any number of steps."""
        rule = PriceChange("news", "changes", Decimal(10))
        steps = [str(amount) for amount in range(100, 131, 3)]
        assert ["rose by 12 %", "rose by 10.7 %"] == told(rule, *steps)

    def test_back_where_it_was(self) -> None:
        """What comes back to the price that was told counts from there again."""
        rule = PriceChange("news", "changes", Decimal(10))
        memory, _ = rule.moved({}, [change("100", "95")])
        assert {str(GPT): "100"} == memory
        assert ({}, []) == rule.moved(memory, [change("95", "100")])

    def test_free(self) -> None:
        """0 is a price: to it is a fall by 100 %, from it a rise by any percentage."""
        rule = PriceChange("news", "changes", Decimal(100))
        assert ["fell by 100 %", "rose"] == told(rule, "5", "0", "5")

    def test_new(self) -> None:
        """A price that wasn't known before is no change."""
        assert [] == told(PriceChange("news", "changes"), None, "5")

    def test_gone(self) -> None:
        """That it isn't sold any more is a change, but neither a rise nor a fall."""
        _, (news,) = PriceChange("news", "changes").moved({}, [change("5", None)])
        expected = "openai gpt-5 input has no known price any more; it was 5 USD for 10^6 tokens."
        assert expected == news.text
        assert [] == told(PriceChange("news", "falls"), "5", None)
        assert [] == told(PriceChange("news", "changes", Decimal(10)), "5", None)

    def test_pattern(self) -> None:
        """Only the prices that fit are told."""
        rule = PriceChange("news", "changes", prices=Pattern(product="claude*"))
        assert [] == told(rule, "10", "8")

    def test_several_steps_of_one_look(self) -> None:
        """An announced price that came into force and the reading after it are one change."""
        steps = [change("8", "7", NOON + HOUR), change("10", "8")]
        assert [change("10", "7", NOON + HOUR)] == list(merged(steps))
        assert [] == list(merged([change("10", "8"), change("8", "10", NOON + HOUR)]))


class TestPattern:
    @pytest.mark.parametrize(
        ("pattern", "fits"),
        [
            (Pattern(), True),
            (Pattern("aws", "p5*", "instance", "us-*"), True),
            (Pattern(seller="openai"), False),
            (Pattern(product="p5"), False),
            (Pattern(product="P5*"), False),
            (Pattern(meter="input"), False),
            (Pattern(region="eu-*"), False),
        ],
    )
    def test_fits(self, pattern: Pattern, fits: bool) -> None:
        """Every part must fit, letter by letter, but for * and ?."""
        assert fits == pattern.fits(P5)

    def test_no_region(self) -> None:
        """What has no region fits no pattern of one."""
        assert [True, False] == [Pattern(region=word).fits(GPT) for word in ("*", "us-*")]


def coming(days: int, what: str = "gpt-5") -> Coming:
    """Something announced for so many days after noon."""
    day = NOON + days * DAY
    return Coming(key_of(day, what), day, News("price_scheduled", "ahead", f"{what} changes."))


class TestAhead:
    RULE = Ahead("soon", timedelta(days=14))

    def near(self, *looks: tuple[int, Sequence[Coming]]) -> list[tuple[int, str]]:
        """What is told on which day, when this is announced on those days."""
        memory: Memory = {}
        found = []
        for day, announced in looks:
            memory = json.loads(json.dumps(memory))
            memory, news = self.RULE.near(memory, announced, NOON + day * DAY)
            found += [(day, one.text) for one in news]
        return found

    def test_once(self) -> None:
        """It is told when it comes near, once, and not any more when it has come."""
        looks = [(day, [coming(20)]) for day in range(25)]
        assert [(6, "gpt-5 changes.")] == self.near(*looks)

    def test_taken_back(self) -> None:
        """What was told and isn't announced any more is told, too."""
        looks = [(0, [coming(5)]), (1, []), (2, [])]
        expected = [(0, "gpt-5 changes."), (1, "Not announced any more: gpt-5 changes.")]
        assert expected == self.near(*looks)

    def test_taken_back_before_it_was_told(self) -> None:
        """What nobody was told of needs no taking back."""
        assert [] == self.near((0, [coming(20)]), (1, []))

    def test_another_day(self) -> None:
        """A day that moves is told with both days."""
        assert 3 == len(self.near((0, [coming(5)]), (1, [coming(7)])))

    def test_a_clock_set_back(self) -> None:
        """What is far ahead again by a wrong clock isn't taken back, nor told again."""
        looks = [(0, [coming(14)]), (-3, [coming(14)]), (0, [coming(14)])]
        assert [(0, "gpt-5 changes.")] == self.near(*looks)


def standing(failures: int, hours: int | None = 0, source: str = "openai") -> Standing:
    """A source that was read so many hours before noon, and failed since."""
    read = None if hours is None else NOON - hours * HOUR
    return Standing(source, read, failures, "answered 503" if failures else "")


class TestSources:
    RULE = SourceHealth("ill", timedelta(hours=18), 3, ("openai", "aws-ec2"))

    def watch(self, *standings: Standing, rule: SourceHealth = RULE) -> list[str]:
        """The kinds that are told when a source stands like this, look by look."""
        memory: Memory = {}
        found = []
        for one in standings:
            memory, news = rule.watch(json.loads(json.dumps(memory)), [one], NOON)
            found += [each.kind for each in news]
        return found

    def test_fails(self) -> None:
        """The third failure in a row is told, once, and that it is read again, once."""
        failures = [standing(count) for count in (0, 1, 2, 3, 4, 5, 0, 0)]
        assert ["source_error", "source_recovered"] == self.watch(*failures)

    def test_stale(self) -> None:
        """What can't be read is told when it is too old, once."""
        looks = [standing(1, hours) for hours in (6, 18, 19, 30)]
        assert ["source_stale", "source_recovered"] == self.watch(*looks, standing(0))

    def test_nobody_tried(self) -> None:
        """After days in which breakeven itself was down a source isn't stale: it is due."""
        assert [] == self.watch(standing(0, 99))

    def test_both(self) -> None:
        """Who is both at once is told once; one after the other is told twice."""
        assert ["source_error"] == self.watch(standing(3, 30), standing(4, 36))
        assert ["source_error", "source_stale"] == self.watch(standing(3, 1), standing(4, 30))

    def test_never_read(self) -> None:
        """A source that never gave anything fails."""
        _, (news,) = self.RULE.watch({}, [standing(3, None)], NOON)
        expected = "openai was never read; 3 tries have failed since: answered 503"
        assert ("source_error", expected) == (news.kind, news.text)

    def test_sentence(self) -> None:
        """The message says since when, how often it was tried, and why it failed."""
        _, (news,) = self.RULE.watch({}, [standing(3, 2)], NOON)
        expected = (
            "openai was last read 2026-08-21T10:00:00Z; 3 tries have failed since: answered 503"
        )
        assert expected == news.text

    def test_one_story(self) -> None:
        """All that is told of a source until it is read again began at one time."""
        memory, (error,) = self.RULE.watch({}, [standing(3, 2)], NOON)
        memory, (stale,) = self.RULE.watch(memory, [standing(4, 30)], NOON + HOUR)
        _, (recovered,) = self.RULE.watch(memory, [standing(0)], NOON + DAY)
        assert [NOON] * 3 == [error.since, stale.since, recovered.since]

    def test_each_source_for_itself(self) -> None:
        """One that is ill hides no other, and one that isn't watched says nothing."""
        first, news = self.RULE.watch({}, [standing(3)], NOON)
        assert 1 == len(news)
        both = [standing(4), standing(3, source="aws-ec2"), standing(9, source="xai")]
        memory, news = self.RULE.watch(first, both, NOON)
        assert (["source_error"], {"openai", "aws-ec2"}) == ([n.kind for n in news], set(memory))

    def test_only_stale(self) -> None:
        """A rule tells only what it was asked for."""
        rule = SourceHealth("ill", timedelta(hours=18), 0, ("openai",))
        assert [] == self.watch(standing(9), standing(0), rule=rule)


def row(number: int, source: str = "openai", *, settles: bool = False) -> Waiting:
    """Something that the gate set aside."""
    return Waiting(number, source, GPT, "price jump", "Text", f"${number}", settles)


class TestReviews:
    RULE = Reviews("look", ("openai", "aws-ec2"))

    def test_once(self) -> None:
        """Each row is told once, all that are new of a source in one message."""
        memory, (first,) = self.RULE.open({}, [row(1), row(2)])
        memory, news = self.RULE.open(memory, [row(1), row(2)])
        assert [] == news
        _, (third,) = self.RULE.open(memory, [row(2), row(3)])
        expected = "2 rows of openai were set aside: price jump (Text: $1); price jump (Text: $2)"
        assert expected == first.text
        assert "1 row of openai was set aside: price jump (Text: $3)" == third.text

    def test_settles_by_itself(self) -> None:
        """What the next look may settle is told when it hasn't."""
        memory, news = self.RULE.open({}, [row(1, settles=True)])
        assert [] == news
        assert 1 == len(self.RULE.open(memory, [row(1)])[1])

    def test_many(self) -> None:
        """A page that changed all over doesn't make an endless message."""
        _, (news,) = self.RULE.open({}, [row(number) for number in range(500)])
        assert news.text.endswith("price jump (Text: $4); and 495 more")

    def test_sources(self) -> None:
        """One message for each source that is watched, whatever the parts it is read in."""
        rows = [row(1), row(2, "aws-ec2/us-east-1"), row(3, "aws-ec2/eu-west-1"), row(4, "xai")]
        _, news = self.RULE.open({}, rows)
        starts = [one.text.split(" set")[0] for one in news]
        assert ["1 row of openai was", "2 rows of aws-ec2 were"] == starts
