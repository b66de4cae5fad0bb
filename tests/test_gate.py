"""The gate: what enters the price book, and what waits for a second look or a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebook.config import Table
from pricebook.errors import ConfigError
from pricebook.quote import Price, Quote, Series
from scraper.document import Reading
from scraper.gate import (
    BATCH_ABOVE_STANDARD,
    CACHE_ABOVE_INPUT,
    JUMP,
    NEGATIVE,
    POWER_OF_TEN,
    TOO_FEW,
    TWO_PRICES,
    UNIT_CHANGED,
    ZERO,
    Held,
    Verdict,
    decide,
)
from scraper.settings import GateSettings

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
JANUARY = datetime(2027, 1, 1, tzinfo=UTC)


def series(product: str = "gpt-4o", meter: str = "input", **qualifiers: str) -> Series:
    """A series of OpenAI's, per million tokens."""
    return Series.of("openai", product, meter, "mtok", **qualifiers)


def quote(of: Series, amount: str | Decimal, valid_from: datetime | None = None) -> Quote:
    """A quote as a page would give it."""
    return Quote(of, Decimal(amount), f"${amount}", "table", valid_from=valid_from)


def book(amounts: Mapping[Series, str | Decimal | None]) -> dict[Series, Price]:
    """The prices in force."""
    return {
        of: Price(of, None if amount is None else Decimal(amount), NOON, "observed", NOON, "openai")
        for of, amount in amounts.items()
    }


def look(
    quotes: list[Quote],
    amounts: Mapping[Series, str | Decimal | None],
    pending: Mapping[Series, Decimal] | None = None,
    expected: int = 0,
) -> Verdict:
    """The verdict on a look, with the default settings."""
    reading = Reading(tuple(quotes))
    return decide(reading, book(amounts), GateSettings(), pending or {}, expected=expected)


def reasons(verdict: Verdict) -> dict[Quote | None, str]:
    """Why each held quote is held."""
    return {held.quote: held.reason for held in verdict.held}


# One price


def test_the_first_look_is_accepted_whole() -> None:
    """Where the book is empty there is nothing to compare with."""
    quotes = [quote(series(), "2.5"), quote(series(meter="output"), "10")]

    assert Verdict(tuple(quotes), (), complete=True) == look(quotes, {})


@pytest.mark.parametrize("amount", ["3", "3.00", "2.99", "1.1", "9", "1"])
def test_a_change_below_the_limit_needs_no_second_look(amount: str) -> None:
    """Up to three times the price in force, and down to a third of it, is an ordinary change."""
    read = quote(series(), amount)

    assert (read,) == look([read], {series(): "3"}).accepted


@pytest.mark.parametrize(("before", "after"), [("2.5", "7.51"), ("2.5", "0.83"), ("3", "0.99")])
def test_a_jump_is_held(before: str, after: str) -> None:
    """More than three times the price in force, or less than a third of it, is held."""
    read = quote(series(), after)

    text = f"openai gpt-4o input USD/mtok: {before} in force, {after} read"
    assert (Held(read, JUMP, text),) == look([read], {series(): before}).held


@pytest.mark.parametrize(("before", "after"), [("0", "0.01"), ("0.01", "0")])
def test_a_price_to_or_from_zero_is_held(before: str, after: str) -> None:
    """Free is a claim that wants a second look, both ways."""
    read = quote(series(), after)

    assert {read: ZERO} == reasons(look([read], {series(): before}))


def test_free_stays_free() -> None:
    """A price of zero that was zero before is no change."""
    read = quote(series(), "0")

    assert (read,) == look([read], {series(): "0"}).accepted


def test_an_amount_below_zero_is_held() -> None:
    """Some catalogues print -1 for "depends": never a price, not even a new one."""
    read = quote(series(), "-1")

    assert {read: NEGATIVE} == reasons(look([read], {}))
    assert {read: NEGATIVE} == reasons(look([read], {series(): "2.5"}, {series(): Decimal(-1)}))


def test_a_series_that_comes_back_has_nothing_to_jump_from() -> None:
    """A withdrawn series is like a new one."""
    read = quote(series(), "25")

    assert (read,) == look([read], {series(): None}).accepted


def test_the_limit_is_a_setting() -> None:
    """Who wants to see every change above half sets `max_jump` to 1.5."""
    read = quote(series(), "4")
    settings = GateSettings(max_jump=Decimal("1.5"))

    verdict = decide(Reading((read,)), book({series(): "2.5"}), settings, {})
    assert {read: JUMP} == reasons(verdict)


def test_one_held_price_never_freezes_the_others() -> None:
    """The other rows of the look are accepted, and it is complete."""
    jump, change = quote(series(), "25"), quote(series(meter="output"), "12")

    verdict = look([jump, change], {series(): "2.5", series(meter="output"): "10"})

    assert ((change,), {jump: JUMP}, True) == (
        verdict.accepted,
        reasons(verdict),
        verdict.complete,
    )


# A second look


@pytest.mark.parametrize(("before", "after"), [("2.5", "25"), ("2.5", "0.25"), ("2.5", "0")])
def test_a_jump_that_a_later_look_repeats_is_accepted(before: str, after: str) -> None:
    """The amount that an earlier look had held is the one that is read again."""
    read = quote(series(), after)
    held = look([read], {series(): before}).held

    assert [True] == [one.curable for one in held]
    assert (read,) == look([read], {series(): before}, {series(): Decimal(after)}).accepted


def test_a_jump_to_another_amount_is_held_again() -> None:
    """A later look with a third price proves neither."""
    read = quote(series(), "30")

    assert {read: JUMP} == reasons(look([read], {series(): "2.5"}, {series(): Decimal(25)}))


def test_a_jump_of_another_series_proves_nothing() -> None:
    """Only the same series' amount counts as a repetition."""
    read = quote(series(), "25")
    pending = {series(meter="output"): Decimal(25)}

    assert {read: JUMP} == reasons(look([read], {series(): "2.5"}, pending))


# Prices beside each other


@pytest.mark.parametrize("conditions", [{}, {"service_tier": "batch"}, {"context": "<=200000"}])
def test_cached_input_above_input_holds_both(conditions: dict[str, str]) -> None:
    """A discount that costs more is nonsense; which of both is wrong can't be known."""
    cached = quote(series(meter="cache_read", cache_ttl="5m", **conditions), "3")
    uncached = quote(series(**conditions), "2.5")
    output = quote(series(meter="output", **conditions), "10")

    verdict = look([cached, uncached, output], {})

    assert {cached: CACHE_ABOVE_INPUT, uncached: CACHE_ABOVE_INPUT} == reasons(verdict)
    assert (output,) == verdict.accepted


def test_prices_of_other_conditions_are_not_compared() -> None:
    """Cached audio may cost more than uncached text, and one product more than another."""
    quotes = [
        quote(series(meter="cache_read", modality="audio"), "20"),
        quote(series(), "2.5"),
        quote(series("gpt-4o-mini", "cache_read"), "3"),
        quote(series(meter="cache_read"), "2.6", JANUARY),
    ]
    assert tuple(quotes) == look(quotes, {}).accepted


@pytest.mark.parametrize("standard", [{}, {"service_tier": "standard"}])
def test_batch_above_standard_holds_both(standard: dict[str, str]) -> None:
    """Whether the page names the standard tier or not, batch is never dearer."""
    batch = quote(series(service_tier="batch"), "2.6")
    usual = quote(series(**standard), "2.5")

    assert {batch: BATCH_ABOVE_STANDARD, usual: BATCH_ABOVE_STANDARD} == reasons(
        look([batch, usual], {})
    )


def test_equal_prices_are_no_nonsense() -> None:
    """Some sellers print a tier that saves nothing (gpt-3.5-turbo-1106 in batch, August 2026)."""
    quotes = [
        quote(series(service_tier="batch"), "1"),
        quote(series(service_tier="standard"), "1"),
        quote(series(meter="cache_read", service_tier="batch"), "1"),
    ]
    assert tuple(quotes) == look(quotes, {}).accepted


def test_nonsense_is_not_cured_by_repetition() -> None:
    """A page that we misread is misread the same way each time: a person must decide."""
    cached, uncached = quote(series(meter="cache_read"), "3"), quote(series(), "2.5")
    pending = {read.series: read.amount for read in (cached, uncached)}

    held = look([cached, uncached], {}, pending).held
    assert [False, False] == [one.curable for one in held]


def test_nonsense_that_a_person_accepted_is_accepted() -> None:
    """What is in force already is not asked about again."""
    cached, uncached = quote(series(meter="cache_read"), "3"), quote(series(), "2.5")

    verdict = look([cached, uncached], {cached.series: "3", uncached.series: "2.5"})
    assert (cached, uncached) == verdict.accepted


def test_two_prices_for_one_series_are_both_held() -> None:
    """A page that contradicts itself is not believed, whichever came first."""
    one, other = quote(series(), "2.5"), quote(series(), "2.6")

    verdict = look([one, other], {series(): "2.5"}, {series(): Decimal("2.6")})
    assert {one: TWO_PRICES, other: TWO_PRICES} == reasons(verdict)


def test_a_price_now_and_another_from_a_date_on_are_no_contradiction() -> None:
    """An announced price stands beside the present one."""
    quotes = [quote(series(), "2.5"), quote(series(), "3.5", JANUARY)]

    assert tuple(quotes) == look(quotes, {series(): "2.5"}).accepted


def test_a_price_announced_for_later_may_not_jump_either() -> None:
    """What is announced is held to the same limit."""
    quotes = [quote(series(), "2.5"), quote(series(), "8", JANUARY)]

    assert {quotes[1]: JUMP} == reasons(look(quotes, {series(): "2.5"}))


def test_an_announced_price_that_is_in_the_book_is_accepted_again() -> None:
    """The end of a promotion at a quarter of the price is asked about once, not at every look."""
    quotes = [quote(series(), "2"), quote(series(), "8", JANUARY)]
    known = {(series(), JANUARY, Decimal(8))}

    reading, latest = Reading(tuple(quotes)), book({series(): "2"})
    assert tuple(quotes) == decide(reading, latest, GateSettings(), {}, known).accepted


# The whole page


MODELS = [series(f"model-{number}") for number in range(20)]


def page(factor: str, models: list[Series]) -> list[Quote]:
    """A page whose prices are those of `old` times the factor."""
    return [quote(of, old(of) * Decimal(factor)) for of in models]


def old(of: Series) -> Decimal:
    """1.5, 2.5, 3.5 ... for model-0, model-1, model-2 ..."""
    return Decimal(of.product.removeprefix("model-")) + Decimal("1.5")


OLD = {of: old(of) for of in MODELS}


@pytest.mark.parametrize("factor", ["10", "0.1", "1000", "0.001", "1000000"])
def test_a_common_power_of_ten_holds_all_that_moved(factor: str) -> None:
    """All prices times ten is a unit misread, not a change of prices."""
    quotes = page(factor, MODELS)

    verdict = look(quotes, OLD)

    assert dict.fromkeys(quotes, POWER_OF_TEN) == reasons(verdict)
    assert [False] * 20 == [held.curable for held in verdict.held]


def test_a_common_power_of_ten_is_not_cured_by_repetition() -> None:
    """The unit is misread the same way at each look."""
    quotes = page("1000", MODELS)
    pending = {read.series: read.amount for read in quotes}

    assert {POWER_OF_TEN} == set(reasons(look(quotes, OLD, pending)).values())


def test_a_common_power_of_ten_holds_what_is_new_but_not_what_stayed() -> None:
    """A new price came through the same unit; an unchanged one proves itself."""
    new = quote(series("model-new"), "1500")
    stayed = page("1", MODELS[:10])
    moved = page("1000", MODELS[10:])

    verdict = look([*stayed, *moved, new], OLD)

    assert tuple(stayed) == verdict.accepted
    assert dict.fromkeys([*moved, new], POWER_OF_TEN) == reasons(verdict)


def test_one_in_ten_may_have_moved_otherwise() -> None:
    """Nine of ten by the same power are enough, eight are not."""
    nine = [*page("10", MODELS[:9]), *page("1.1", MODELS[9:10]), *page("1", MODELS[10:])]
    eight = [*page("10", MODELS[:8]), *page("1.1", MODELS[8:10]), *page("1", MODELS[10:])]

    assert [POWER_OF_TEN] * 10 == list(reasons(look(nine, OLD)).values())
    assert [JUMP] * 10 == list(reasons(look(eight, OLD)).values())


def test_two_prices_that_moved_by_ten_are_two_jumps() -> None:
    """From three on it is a pattern."""
    two = [*page("10", MODELS[:2]), *page("1", MODELS[2:])]
    three = [*page("10", MODELS[:3]), *page("1", MODELS[3:])]

    assert [JUMP] * 2 == list(reasons(look(two, OLD)).values())
    assert [POWER_OF_TEN] * 3 == list(reasons(look(three, OLD)).values())


def test_a_common_change_that_is_no_power_of_ten_is_accepted() -> None:
    """A seller may halve all its prices on one day."""
    quotes = page("0.5", MODELS)

    assert tuple(quotes) == look(quotes, OLD).accepted


def test_where_most_prices_jump_nothing_new_is_believed() -> None:
    """A page that was misread shows prices that it doesn't have, too."""
    jumped = [quote(series(f"model-{number}"), "70") for number in range(3)]
    news = quote(series("model-0", "cache_write"), "70")
    verdict = look([*jumped, news], {one.series: "2" for one in jumped})

    assert dict.fromkeys([*jumped, news], JUMP) == reasons(verdict)


def test_new_prices_amid_jumps_are_believed_when_a_later_look_repeats_them() -> None:
    """Like the jumps themselves."""
    jumped = [quote(series(f"model-{number}"), "70") for number in range(3)]
    news = quote(series("model-0", "cache_write"), "70")
    seen = {one.series: Decimal(70) for one in [*jumped, news]}

    assert {} == reasons(look([*jumped, news], {one.series: "2" for one in jumped}, seen))


def test_a_few_jumps_among_many_changes_hold_only_themselves() -> None:
    """Three of ten: the page is read right, and some prices did jump."""
    jumped = [quote(series(f"model-{number}"), "70") for number in range(3)]
    changed = [quote(series(f"other-{number}"), "3") for number in range(7)]
    news = quote(series("model-0", "cache_write"), "70")
    before = {one.series: "2" for one in [*jumped, *changed]}

    assert dict.fromkeys(jumped, JUMP) == reasons(look([*jumped, *changed, news], before))


def test_a_page_that_lost_more_than_a_fifth_withdraws_nothing() -> None:
    """What a short page still says is accepted, what it doesn't say is not gone."""
    quotes = page("1.1", MODELS[:15])
    text = "15 series read, 20 the last time: the page may be cut short"
    expected = Verdict(tuple(quotes), (Held(None, TOO_FEW, text),), complete=False)

    assert expected == look(quotes, OLD, expected=20)


def test_a_page_that_lost_a_fifth_is_read() -> None:
    """Sellers retire models: up to 20 % fewer is ordinary."""
    verdict = look(page("1", MODELS[:16]), OLD, expected=20)

    assert (16, True) == (len(verdict.accepted), verdict.complete)


def test_a_page_that_stays_short_is_believed() -> None:
    """The last look counts, not what was ever sold: a page that shrank is not frozen for ever."""
    verdict = look(page("1", MODELS[:10]), OLD, expected=10)

    assert (10, True) == (len(verdict.accepted), verdict.complete)


def test_the_same_series_twice_counts_once() -> None:
    """A future price doesn't stand in for a lost series."""
    quotes = page("1", MODELS[:15])
    announced = [quote(read.series, read.amount, JANUARY) for read in quotes]

    assert {None: TOO_FEW} == reasons(look([*quotes, *announced], OLD, expected=20))


@pytest.mark.parametrize(
    "other",
    [
        Series.of("openai", "model-0", "input", "mchar"),
        Series.of("openai", "model-0", "input", "mtok", currency="EUR"),
    ],
)
def test_a_series_in_another_unit_or_currency_is_held(other: Series) -> None:
    """A page served in another currency neither adds prices nor withdraws the known ones."""
    changed = quote(other, "1.5")

    verdict = look([changed, *page("1", MODELS[1:])], OLD, {other: Decimal("1.5")})

    assert {changed: UNIT_CHANGED} == reasons(verdict)
    assert (19, True) == (len(verdict.accepted), verdict.complete)


def test_another_unit_is_told_before_what_else_is_wrong_with_it() -> None:
    """Whichever way the amounts are odd, they may speak of the series that isn't in this look."""
    other = Series.of("openai", "model-0", "input", "mtok", currency="EUR")
    odd = [quote(other, "1.5"), quote(other, "-1")]

    verdict = look([*odd, *page("1", MODELS[1:])], OLD)
    assert dict.fromkeys(odd, UNIT_CHANGED) == reasons(verdict)


def test_another_unit_than_that_of_a_withdrawn_series_is_held() -> None:
    """That the old one is gone proves nothing about the new one."""
    other = Series.of("openai", "model-0", "input", "mtok", currency="EUR")
    changed = quote(other, "1.5")

    text = "openai model-0 input EUR/mtok: the book has it in USD/mtok"
    assert (Held(changed, UNIT_CHANGED, text),) == look([changed], {MODELS[0]: None}).held
    assert (changed,) == look([changed], {MODELS[0]: None, other: None}).accepted


def test_a_second_unit_beside_the_first_is_a_new_series() -> None:
    """A product may be sold by token and by character at once."""
    added = quote(Series.of("openai", "model-0", "input", "mchar"), "1.5")

    assert added in look([added, *page("1", MODELS)], OLD).accepted


def test_a_unit_that_is_dropped_does_not_hold_the_one_that_stays() -> None:
    """Of two units in force, the one that is still read is no newcomer."""
    kept = Series.of("openai", "model-0", "input", "mchar")

    verdict = look([quote(kept, "1.6"), *page("1", MODELS[1:])], {**OLD, kept: "1.5"})
    assert (20, True) == (len(verdict.accepted), verdict.complete)


# What always holds


AMOUNTS = st.decimals("0", "1000", places=2)
SERIES = st.builds(
    Series.of,
    st.just("openai"),
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["input", "output", "cache_read"]),
    st.sampled_from(["mtok", "kreq"]),
    service_tier=st.sampled_from([None, "standard", "batch"]),
)
QUOTES = st.lists(st.builds(quote, SERIES, AMOUNTS, st.sampled_from([None, JANUARY])), max_size=12)


@given(QUOTES, st.dictionaries(SERIES, AMOUNTS), st.dictionaries(SERIES, AMOUNTS))
def test_a_jump_unseen_before_is_never_accepted(
    quotes: list[Quote], amounts: dict[Series, Decimal], pending: dict[Series, Decimal]
) -> None:
    """Whatever is accepted is new, near the price in force, or read at an earlier look too."""
    for read in look(quotes, amounts, pending).accepted:
        before = amounts.get(read.series, read.amount)
        near = before == read.amount or before / 3 < read.amount < before * 3
        near = near or before * 3 == read.amount or read.amount * 3 == before
        assert near or pending.get(read.series) == read.amount


@given(QUOTES, st.dictionaries(SERIES, AMOUNTS), st.dictionaries(SERIES, AMOUNTS))
def test_each_quote_is_accepted_or_held(
    quotes: list[Quote], amounts: dict[Series, Decimal], pending: dict[Series, Decimal]
) -> None:
    """No quote is lost and none is both."""
    verdict = look(quotes, amounts, pending)
    held = [one.quote for one in verdict.held]

    assert set(quotes) == {*verdict.accepted, *held}
    assert set(verdict.accepted).isdisjoint(held)


@given(QUOTES)
def test_what_is_in_force_is_accepted_again(quotes: list[Quote]) -> None:
    """A page that didn't change since it was accepted raises no question."""
    once = {read.series: read for read in quotes}
    amounts = {of: read.amount for of, read in once.items()}

    assert Verdict(tuple(once.values()), (), complete=True) == look([*once.values()], amounts)


# Settings


def test_settings_come_from_their_table() -> None:
    """Every key of `[gate]` arrives exactly as written."""
    values = {"max_jump": 5, "max_drop_of_count": Decimal("0.3")}

    assert GateSettings(Decimal(5), Decimal("0.3")) == GateSettings.from_table(
        Table(values, "[gate]")
    )
    assert GateSettings() == GateSettings.from_table(Table({}, "[gate]"))


@pytest.mark.parametrize(
    ("key", "value"), [("max_jump", 1), ("max_drop_of_count", 20), ("max_jumps", 3)]
)
def test_a_setting_that_makes_no_sense_is_refused(key: str, value: int) -> None:
    """The error names the key."""
    with pytest.raises(ConfigError, match=rf"\[gate\]: {key} "):
        GateSettings.from_table(Table({key: value}, "[gate]"))
