"""One run of one source: what is fetched, kept, believed and written, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from breakeven.demo.world import PageServer, StoryClock
from pricebook import book, runs
from pricebook.errors import DocumentRefused, FetchFailed
from pricebook.quote import Price, Quote, Series, SetAside
from pricebook.runs import last_fetch
from pricebook.schema import reading
from pricebook.tables import Evidence, Fetch, PriceRow
from scraper.collect import Entered, PageSource, Taken, Tools, _host, enter, merge
from scraper.document import Document, Page, Reading
from scraper.evidence import EvidenceFolder
from scraper.http import HttpClient
from scraper.settings import GateSettings, HttpSettings

HOUR = timedelta(hours=1)


@dataclass
class Shop:
    """A provider whose page has lines such as `gpt-4o input 2.5`, and `?` for an odd one.

    A price that isn't in dollars names its currency at the end.
    """

    SELLER: str = "shop"
    PAGES: tuple[Page, ...] = ()
    read_forms: list[str] = field(default_factory=list)

    def read(self, document: Document) -> Iterator[Quote | SetAside]:
        self.read_forms.append(document.form)
        if "login" in document.text:
            raise DocumentRefused("shop: this is a login form")
        for line in document.text.splitlines():
            product, meter, amount, *currency = line.split()
            if amount == "?":
                yield SetAside("no figure", f"{product} {meter}", line)
                continue
            series = Series.of("shop", product, meter, "mtok", currency=(*currency, "USD")[0])
            yield Quote(series, Decimal(amount), f"${amount}", f"{document.form}: {product}")


@dataclass
class Site:
    """A running page server, a client for it, and a book."""

    server: PageServer
    clock: StoryClock
    engine: Engine
    evidence: EvidenceFolder
    shop: Shop = field(default_factory=Shop)

    def say(self, markdown: str | None, html: str | None = None) -> None:
        """What the two forms of the page are from now on; None: gone."""
        pages = {"/p.md": markdown, "/p": markdown if html is None else html}
        self.server.pages = {path: f"{text}\n" for path, text in pages.items() if text is not None}

    def look(self, after: timedelta = HOUR) -> Entered:
        """One run, some time after the last one."""
        self.clock.at += after
        (taken,) = self.source().take(self.tools())
        with self.engine.begin() as connection:
            return enter(connection, taken, GateSettings())

    def source(self) -> PageSource:
        pages = (
            Page(f"{self.server.url}/p.md", "markdown"),
            Page(f"{self.server.url}/p", "html"),
        )
        return PageSource("shop", self.shop, pages)

    def tools(self) -> Tools:
        settings = HttpSettings(allow_loopback=True, min_interval=timedelta(0))
        client = HttpClient(settings, self.clock)
        return Tools(client, self.evidence, self.clock.now, self.remembered)

    def remembered(self, url: str) -> runs.Fetched | None:
        with reading(self.engine) as connection:
            return last_fetch(connection, url)

    def prices(self) -> dict[str, Decimal]:
        with reading(self.engine) as connection:
            found = book.as_of(connection, self.clock.at)
        return {f"{p.series.product} {p.series.meter}": p.amount for p in found if p.amount}

    def price(self, product: str) -> Price:
        with reading(self.engine) as connection:
            (price,) = book.as_of(connection, self.clock.at, where=book.Filter(product=product))
        return price

    def count(self, table: type) -> int:
        with reading(self.engine) as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def reviews(self) -> list[str]:
        with reading(self.engine) as connection:
            return [row["reason"] for row in runs.reviews(connection)]


@pytest.fixture
def site(sqlite_book: Engine, tmp_path: Path, noon: datetime) -> Iterator[Site]:
    """A shop that nobody has looked at yet."""
    with PageServer() as server:
        yield Site(server, StoryClock(noon), sqlite_book, EvidenceFolder(tmp_path / "evidence"))


def test_a_price_leads_back_to_the_page_it_was_read_on(site: Site) -> None:
    """Quoted text, place and address stand behind a price, and the page itself is kept."""
    site.say("gpt-4o input 2.5")
    entered = site.look()
    price = site.price("gpt-4o")

    assert (entered.outcome, entered.quotes, len(entered.changes)) == ("complete", 1, 1)
    assert (price.quoted, price.where) == ("$2.5", "markdown: gpt-4o")
    assert price.url == f"{site.server.url}/p.md"
    kept = site.remembered(price.url)
    assert kept is not None
    assert site.evidence.get(kept.sha256) == b"gpt-4o input 2.5\n"


def test_an_unchanged_page_is_not_sent_again(site: Site) -> None:
    """The second look is asked conditionally, answered 304, and verifies the prices."""
    site.say("gpt-4o input 2.5")
    site.look()
    site.look()

    assert [status for path, status in site.server.answers if path == "/p.md"] == [200, 304]
    assert site.price("gpt-4o").verified_at == site.clock.at
    assert (site.count(PriceRow), site.count(Evidence), site.count(Fetch)) == (1, 1, 4)


def test_a_lost_answer_is_fetched_whole_again(site: Site) -> None:
    """Without the bytes a 304 would be worth nothing, so the page is asked for afresh."""
    site.say("gpt-4o input 2.5")
    site.look()
    for file in site.evidence.root.rglob("*.gz"):
        file.unlink()

    assert site.look().outcome == "complete"
    assert [status for path, status in site.server.answers if path == "/p.md"] == [200, 200]


def test_two_forms_that_differ_are_both_disbelieved(site: Site) -> None:
    """A price that markdown and HTML print differently is set aside; the others are written."""
    site.say("a input 1\nb input 2", "a input 1\nb input 3")
    entered = site.look()

    assert site.prices() == {"a input": Decimal(1)}
    assert entered.outcome == "partial"
    assert site.reviews() == ["two forms of the page differ on shop b input USD/mtok: 2 and 3"]


def test_one_form_completes_the_other(site: Site) -> None:
    """What only the second form says is read too."""
    site.say("a input 1", "a input 1\nb input 2")
    site.look()

    assert site.prices() == {"a input": Decimal(1), "b input": Decimal(2)}


def test_with_one_form_gone_nothing_is_withdrawn(site: Site) -> None:
    """A form that can't be fetched makes the look incomplete, however often that happens."""
    site.say("a input 1", "a input 1\nb input 2")
    site.look()
    site.say("a input 1", "login")
    looks = [site.look() for _ in range(3)]

    assert {one.outcome for one in looks} == {"partial"}
    assert site.prices() == {"a input": Decimal(1), "b input": Decimal(2)}
    assert all(isinstance(one.error, DocumentRefused) for one in looks)


def test_a_refused_page_leaves_everything_as_it_was(site: Site) -> None:
    """A login form in place of the page changes no price and says why."""
    site.say("a input 1")
    site.look()
    site.say("please login")
    entered = site.look()

    assert entered.outcome == "failed"
    assert str(entered.error) == "shop: this is a login form"
    assert site.prices() == {"a input": Decimal(1)}
    assert site.price("a").verified_at == site.clock.at - HOUR


def test_a_page_that_is_gone_fails_the_run(site: Site) -> None:
    """A 404 is a failure with its reason, not a page without prices."""
    site.say(None)
    site.server.pages = {}
    entered = site.look()

    assert entered.outcome == "failed"
    assert isinstance(entered.error, FetchFailed)
    assert "404" in str(entered.error)


def test_a_jump_is_believed_when_it_is_seen_again(site: Site) -> None:
    """A price that fell to a fifth waits for review; the next look at another time confirms it."""
    site.say("a input 10\nb input 1")
    site.look()
    site.say("a input 2\nb input 1.1")
    first = site.look()

    assert site.prices() == {"a input": Decimal(10), "b input": Decimal("1.1")}
    assert [one.reason for one in first.held] == ["price jump"]
    assert site.reviews() == ["price jump"]
    assert site.look().outcome == "complete"
    assert site.prices() == {"a input": Decimal(2), "b input": Decimal("1.1")}
    assert site.reviews() == []


def test_a_jump_that_is_gone_the_next_time_never_was(site: Site) -> None:
    """A single wrong reading enters neither the book nor the review for good."""
    site.say("a input 10")
    site.look()
    site.say("a input 1")
    site.look()
    site.say("a input 10")
    site.look()

    assert site.prices() == {"a input": Decimal(10)}
    assert (site.count(PriceRow), site.reviews()) == (1, [])


def test_a_rejected_price_stays_out(site: Site) -> None:
    """What a person has rejected is not confirmed by seeing it again, nor asked about again."""
    site.say("a input 10\nb input 1")
    site.look()
    site.say("a input 1\nb input 1")
    site.look()
    with site.engine.begin() as connection:
        (row,) = runs.reviews(connection)
        runs.decide(connection, row["id"], runs.REJECTED, site.clock.at)
    site.look()

    assert site.prices() == {"a input": Decimal(10), "b input": Decimal(1)}
    assert site.reviews() == []


def test_an_unreadable_row_keeps_its_price_and_its_age(site: Site) -> None:
    """A row that can't be read any more is not withdrawn: its price stays, growing older."""
    site.say("a input 1\nb input 2\nc input 3")
    site.look()
    read = site.clock.at
    site.say("a input 1\nb input 2\nc input ?")
    for _ in range(4):
        site.look()

    assert site.price("c").amount == Decimal(3)
    assert site.price("c").verified_at == read
    assert site.price("a").verified_at == site.clock.at
    assert site.reviews() == ["no figure"]


def test_an_odd_row_makes_no_price_of_its_product_older(site: Site) -> None:
    """A row that can't be read says nothing against the rows of the same product that can."""
    site.say("gpt input 1\ngpt output ?")
    for _ in range(3):
        site.look()

    assert site.price("gpt").verified_at == site.clock.at


def test_a_rejected_amount_makes_no_other_price_older(site: Site) -> None:
    """Once the page says again what is in the book, the price is verified as ever, or withdrawn."""
    site.say("a input 10\nb input 1\nc input 1\nd input 1\ne input 1")
    site.look()
    site.say("a input 1\nb input 1\nc input 1\nd input 1\ne input 1")
    site.look()
    with site.engine.begin() as connection:
        (row,) = runs.reviews(connection)
        runs.decide(connection, row["id"], runs.REJECTED, site.clock.at)
    site.say("a input 10\nb input 1\nc input 1\nd input 1\ne input 1")
    site.look()

    assert site.price("a").verified_at == site.clock.at
    site.say("b input 1\nc input 1\nd input 1\ne input 1")
    site.look()
    site.look()
    assert "a input" not in site.prices()


def test_forms_that_differ_withdraw_nothing(site: Site) -> None:
    """What two forms of a page disagree on is unread, not gone, whatever the table calls it."""
    site.say("a input 1\nb input 2")
    site.look()
    series = Series.of("shop", "b", "input", "mtok")
    for hours in (1, 2, 3):
        aside = SetAside(f"two forms of the page differ on {series}: 2 and 3", "row 2", "$2 | $3")
        one = Quote(Series.of("shop", "a", "input", "mtok"), Decimal(1), "$1", "A")
        page = runs.Fetched("https://shop/", "html", site.clock.at, "x", 1)
        taken = Taken("shop", site.clock.at + hours * HOUR, (page,), ((one, 0),), (aside,))
        with site.engine.begin() as connection:
            enter(connection, taken, GateSettings())

    assert site.prices() == {"a input": Decimal(1), "b input": Decimal(2)}


def test_a_row_set_aside_does_not_stop_withdrawals(site: Site) -> None:
    """One strange row freezes nothing: what leaves the page is withdrawn after two looks."""
    site.say("a input 1\nb input 2\nc input 3\nd input 4\ne input 5\nf input ?")
    site.look()
    site.say("a input 1\nb input 2\nc input 3\nd input 4\nf input ?")
    for _ in range(2):
        site.look()

    assert "e input" not in site.prices()


IN_DOLLARS = "a input 1\na output 2\nb input 3\nc input 4\nd input 5\ne input 6"
IN_EUROS = IN_DOLLARS.replace("a input 1", "a input 0.9 EUR")


def reject(site: Site) -> None:
    """A person's word about the only open review."""
    with site.engine.begin() as connection:
        (row,) = runs.reviews(connection)
        runs.decide(connection, row["id"], runs.REJECTED, site.clock.at)


@pytest.mark.parametrize("gone", ["a output", "e input"])
def test_a_price_in_another_currency_stops_no_other_withdrawal(site: Site, gone: str) -> None:
    """It may speak of its own product and meter, which stay; what else left the page is gone."""
    site.say(IN_DOLLARS)
    site.look()
    read = site.clock.at
    site.say("\n".join(line for line in IN_EUROS.splitlines() if not line.startswith(gone)))
    for _ in range(4):
        site.look()

    left = {"a input", "a output", "b input", "c input", "d input", "e input"} - {gone}
    assert left == set(site.prices())
    assert [site.count(PriceRow), site.reviews()] == [7, ["unit or currency changed"]]
    with reading(site.engine) as connection:
        prices = book.as_of(connection, site.clock.at, where=book.Filter(product="a"))
    assert {"input": (Decimal(1), read)}.items() <= {
        price.series.meter: (price.amount, price.verified_at) for price in prices
    }.items()


def test_a_rejected_currency_lets_the_old_price_go(site: Site) -> None:
    """Once a person has said no, the next two complete looks without the dollars withdraw them."""
    site.say(IN_DOLLARS)
    site.look()
    site.say(IN_EUROS)
    site.look()
    site.look()
    reject(site)
    site.look()
    since = site.clock.at

    assert site.prices()["a input"] == Decimal(1)
    (change,) = site.look().changes
    assert (change.series.currency, change.after, change.valid_from) == ("USD", None, since)
    assert "a input" not in site.prices()
    assert site.reviews() == []


def test_a_rejected_currency_takes_nothing_that_is_on_the_page(site: Site) -> None:
    """While the page says the price in dollars too, or in a row that can't be read, it stays."""
    site.say(IN_DOLLARS)
    site.look()
    site.say(IN_EUROS)
    site.look()
    reject(site)
    for text in (f"{IN_EUROS}\na input 1", f"{IN_EUROS}\na input ?"):
        site.say(text)
        for _ in range(3):
            site.look()
        assert site.prices()["a input"] == Decimal(1)


def test_another_amount_in_a_rejected_currency_is_asked_about(site: Site) -> None:
    """Neither before the old price is withdrawn nor after does it enter by itself."""
    site.say(IN_DOLLARS)
    site.look()
    site.say(IN_EUROS)
    site.look()
    reject(site)
    site.say(IN_EUROS.replace("0.9", "0.8"))
    for _ in range(3):
        site.look()
    assert site.prices()["a input"] == Decimal(1)
    reject(site)
    for amount in ("0.8", "0.8", "0.7"):
        site.say(IN_EUROS.replace("0.9", amount))
        site.look()

    assert "a input" not in site.prices()
    assert site.reviews() == ["unit or currency changed"]


def test_a_page_that_shrank_is_believed_in_the_end(site: Site) -> None:
    """Half of a page gone is not believed at once, and not refused for ever."""
    whole = "a input 1\nb input 2\nc input 3\nd input 4"
    site.say(whole)
    site.look()
    site.say("a input 1.5\nb input 2")
    first = site.look()

    assert [one.reason for one in first.held] == ["too few prices"]
    assert len(site.prices()) == 4
    assert site.prices()["a input"] == Decimal("1.5")
    site.look()
    assert len(site.prices()) == 4
    site.look()
    assert site.prices() == {"a input": Decimal("1.5"), "b input": Decimal(2)}


def test_a_page_cut_short_once_loses_nothing(site: Site) -> None:
    """A truncated page between two whole ones withdraws nothing."""
    whole = "a input 1\nb input 2\nc input 3\nd input 4"
    for text in (whole, "a input 1", whole, "a input 1", whole):
        site.say(text)
        site.look()

    assert len(site.prices()) == 4
    assert site.count(PriceRow) == 4


def test_a_look_is_written_whole_or_not_at_all(site: Site) -> None:
    """When the transaction fails, neither run nor price nor fetch is left."""
    site.say("a input 1")
    (taken,) = site.source().take(site.tools())

    def interrupted() -> None:
        with site.engine.begin() as connection:
            enter(connection, taken, GateSettings())
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert (site.count(PriceRow), site.count(Fetch), site.count(Evidence)) == (0, 0, 0)


@dataclass
class Serial(Shop):
    """A shop whose page may end in a line such as `next /p2`."""

    def read(self, document: Document) -> Iterator[Quote | SetAside]:
        prices, _, _ = document.text.partition("next ")
        yield from super().read(replace(document, text=prices))

    def next_page(self, document: Document) -> str | None:
        """The address after `next`."""
        return document.text.partition("next ")[2].strip() or None


def _taken(site: Site, **pages: str) -> Taken:
    site.server.pages = {f"/{name}": text for name, text in pages.items()}
    source = PageSource("shop", Serial(), (Page(f"{site.server.url}/p", "json"),))
    (taken,) = source.take(site.tools())
    return taken


def test_an_answer_in_several_pages_is_read_to_its_end(site: Site) -> None:
    """Every page that another one names is fetched, and its prices lead back to it."""
    taken = _taken(site, p="a input 1\nnext /p2", p2="b input 2\nnext p3", p3="c input 3")

    assert taken.error is None
    assert [
        (quote.series.product, taken.fetched[page].url.rpartition("/")[2])
        for quote, page in taken.quotes
    ] == [("a", "p"), ("b", "p2"), ("c", "p3")]


def test_a_page_that_is_missing_makes_the_look_partial(site: Site) -> None:
    """What was read before stays; the look says that it isn't complete."""
    taken = _taken(site, p="a input 1\nnext /gone")

    assert [quote.series.product for quote, _ in taken.quotes] == ["a"]
    assert "is not there" in str(taken.error)


def test_pages_are_not_followed_to_another_host(site: Site) -> None:
    """An answer can't send us elsewhere."""
    taken = _taken(site, p="a input 1\nnext http://127.0.0.2:9/p2")

    assert "goes on at http://127.0.0.2:9: not followed" in str(taken.error)


def test_the_usual_port_is_no_other_host() -> None:
    """Azure's answers name the port that goes without saying."""
    urls = ("https://prices.azure.com/api", "https://prices.azure.com:443/api?$skip=1000")

    assert [_host(url) for url in urls] == ["https://prices.azure.com"] * 2


def test_pages_that_go_in_circles_are_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a number of pages the rest is not asked for."""
    monkeypatch.setattr("scraper.collect.MAX_PAGES", 3)
    taken = _taken(site, p="a input 1\nnext /p")

    assert len(taken.fetched) == 3
    assert "goes on after 3 pages" in str(taken.error)


def test_merging_keeps_the_believed_form(noon: datetime) -> None:
    """Where both forms agree, the quote of the first one is kept."""
    series = Series.of("shop", "a", "input", "mtok")
    one, other = (Quote(series, Decimal(1), "$1", where) for where in ("markdown", "html"))
    merged, set_aside = merge([Reading((one,)), Reading((other,))])

    assert (merged, set_aside) == ([(one, 0)], [])


def test_nothing_read_is_a_failed_run(sqlite_book: Engine, noon: datetime) -> None:
    """A source that gives no quote and no error leaves a failed run with a reason."""
    with sqlite_book.begin() as connection:
        entered = enter(connection, Taken("shop", noon), GateSettings())
        (row,) = runs.last_runs(connection)

    assert entered.outcome == "failed"
    assert (row["outcome"], row["reason"]) == ("failed", "nothing was read")


def test_an_announced_jump_is_no_surprise_on_its_day(sqlite_book: Engine, noon: datetime) -> None:
    """A price that was announced, and believed, is not held when the page shows it in force."""
    series, day = Series.of("shop", "a", "input", "mtok"), noon + 24 * HOUR
    now, then = (Quote(series, Decimal(amount), f"${amount}", "A") for amount in (1, 5))
    looks = [(noon + hours * HOUR, (now, replace(then, valid_from=day))) for hours in (0, 1)]
    for at, quotes in [*looks, (day + HOUR, (then,))]:
        page = runs.Fetched("https://shop/", "html", at, "x", 1)
        taken = Taken("shop", at, (page,), tuple((quote, 0) for quote in quotes))
        with sqlite_book.begin() as connection:
            entered = enter(connection, taken, GateSettings())

    assert (entered.outcome, entered.held) == ("complete", [])


def test_a_source_under_a_new_name_is_still_guarded(sqlite_book: Engine, noon: datetime) -> None:
    """When a partition is called otherwise, its prices are compared and verified as before."""
    series = {name: Series.of("shop", name, "input", "mtok") for name in "ab"}
    for hours, name, amounts in ((0, "old", (1, 1)), (1, "new", (1, 90))):
        at = noon + hours * HOUR
        page = runs.Fetched("https://shop/", "html", at, "x", 1)
        quotes = [
            (Quote(one, Decimal(amount), f"${amount}", "A"), 0)
            for one, amount in zip(series.values(), amounts, strict=True)
        ]
        with sqlite_book.begin() as connection:
            entered = enter(connection, Taken(name, at, (page,), tuple(quotes)), GateSettings())
            prices = {price.series: price for price in book.as_of(connection, at)}

    assert [one.reason for one in entered.held] == ["price jump"]
    assert prices[series["b"]].amount == Decimal(1)
    assert prices[series["a"]].verified_at == noon + HOUR


def test_an_amount_that_the_book_cannot_hold_is_set_aside(site: Site) -> None:
    """A price with more than ten decimals stops no other one."""
    site.say("a input 1\nb input 0.00000000001")
    entered = site.look()

    assert site.prices() == {"a input": Decimal(1)}
    assert "ten decimals" in entered.held[0].reason


def test_a_persons_word_is_no_look(site: Site) -> None:
    """Accepting a price doesn't make a source that fails look as if it had been read."""
    site.say("a input 10")
    site.look()
    read = site.clock.at
    site.say("login")
    site.look()
    with site.engine.begin() as connection:
        runs.note_run(connection, "shop", site.clock.at + HOUR, "review")
        (row,) = runs.last_runs(connection)

    assert (row["outcome"], row["verified_at"]) == ("failed", read)


def test_small_amounts_under_review_are_written_out(site: Site) -> None:
    """Programs read 0.0000001, not 1E-7."""
    site.say("a input 1")
    site.look()
    site.say("a input 0.0000001")
    site.look()
    with reading(site.engine) as connection:
        (row,) = runs.reviews(connection)

    assert row["amount"] == "0.0000001"


def test_a_doubtful_announcement_cancels_none(sqlite_book: Engine, noon: datetime) -> None:
    """While a new figure for an announced price waits for review, the old one stays announced."""
    series, day = Series.of("shop", "a", "input", "mtok"), noon + 24 * HOUR
    for hours, amount in ((0, "3"), (1, "30")):
        at = noon + hours * HOUR
        then = Quote(series, Decimal(amount), f"${amount}", "A", valid_from=day)
        quotes = (Quote(series, Decimal(1), "$1", "A"), 0), (then, 0)
        page = runs.Fetched("https://shop/", "html", at, "x", 1)
        with sqlite_book.begin() as connection:
            enter(connection, Taken("shop", at, (page,), quotes), GateSettings())
            (price,) = book.as_of(connection, day)
            (now,) = book.as_of(connection, at)

    assert (price.amount, now.verified_at) == (Decimal(3), noon + HOUR)
