"""Every saved page of a seller that we read: read right, or refused with a reason."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from benchmarks.accuracy import LEAST_RECALL, comparison, main, renewed, tables
from benchmarks.saved_pages import FOLDER, SavedPage, page_named, reading, saved_pages
from benchmarks.truth import Truth, compared, truths
from pricebook.errors import DocumentRefused
from pricebook.quote import Quote, Series, SetAside
from scraper.document import Reading

HERE = FOLDER.is_dir()
TRUTHS = truths() if HERE else []
PAGES = saved_pages() if HERE else []
WORDS_FOR_NO_PRICES = ("no prices", "TRAP", "JS SHELL", "price table is missing")
WITHOUT_PRICES = [
    page for page in PAGES if any(words in page.note for words in WORDS_FOR_NO_PRICES)
]
DOCS = Path(__file__).parents[1] / "docs" / "accuracy.md"
INPUT = Series.of("openai", "gpt-4o", "input", "mtok")
OUTPUT = Series.of("openai", "gpt-4o", "output", "mtok")

pytestmark = pytest.mark.usefixtures("real_data")


def prices(name: str) -> dict[Series, Decimal]:
    return {quote.series: quote.amount for quote in reading(page_named(name)).quotes}


def products(found: set[Series]) -> set[str]:
    return {series.product for series in found}


def without_length(series: Series) -> Series:
    """The series as a page prints it that knows no surcharge for long prompts."""
    kept = tuple(said for said in series.qualifiers if said != ("context", "<=200000"))
    return Series(series.seller, series.product, series.meter, series.unit, series.currency, kept)


def test_the_corpus_is_what_these_tests_were_written_for() -> None:
    """No page is passed over because the list or a word in it changed."""
    assert 9 == len(TRUTHS)
    assert 4 == len(WITHOUT_PRICES)
    assert len(PAGES) > 60


@pytest.mark.parametrize("truth", TRUTHS, ids=lambda truth: truth.page.name)
def test_a_page_agrees_with_its_truth_table(truth: Truth) -> None:
    """No amount is wrong, no price is made up, and at least 99.5 % of the prices are read."""
    found = comparison(truth)

    assert () == found.wrong
    assert found.recall >= LEAST_RECALL


def test_every_difference_from_a_truth_table_is_found() -> None:
    """Another amount and a price that isn't on the page are wrong; what wasn't read is missing."""
    found = compared({INPUT: Decimal(2)}, {INPUT: Decimal(3), OUTPUT: Decimal(4)})

    assert 0 == found.right
    assert 2 == len(found.wrong)
    assert (INPUT,) == found.missing


@pytest.mark.parametrize("page", WITHOUT_PRICES, ids=lambda page: page.name)
def test_a_page_without_prices_is_refused(page: SavedPage) -> None:
    """Block pages, JavaScript shells and exports that lost their tables give no price."""
    with pytest.raises(DocumentRefused):
        reading(page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_read_or_refused_with_a_reason(page: SavedPage) -> None:
    """Whatever a page holds, a reader says prices or why not; each price says where it stands."""
    try:
        said = reading(page)
    except DocumentRefused as refused:
        said = Reading((), (SetAside(str(refused), page.name, ""),))

    assert said.quotes or said.set_aside
    assert [] == [quote for quote in said.quotes if not _is_grounded(quote)]
    assert [] == [aside for aside in said.set_aside if not aside.reason]


def _is_grounded(quote: Quote) -> bool:
    return bool(quote.quoted and quote.where) and quote.amount >= 0


def test_openais_html_and_markdown_of_one_summer_agree() -> None:
    """June's HTML has all 273 prices of July's markdown; beyond it only those of long prompts."""
    html = prices("openai/2026-06-14_pedroaz-pricing.html")
    markdown = prices("openai/2026-07-06_piercecohen1-openai-docs.md")

    assert markdown == {series: html.get(series) for series in markdown}
    assert {">272000"} == {series.get("context") for series in html.keys() - markdown.keys()}


def test_anthropics_html_and_markdown_of_one_spring_agree() -> None:
    """April's HTML and May's markdown give the same quotes, places included."""
    html = reading(page_named("anthropic/2026-04-26_sergey-homenko-docs-pricing.html"))
    markdown = reading(page_named("anthropic/2026-05-01_JokerRun-docs-pricing.md"))

    assert html == markdown


def test_anthropics_html_and_text_of_one_day_agree() -> None:
    """The cards of models say the same in both copies of 2025-11-13; the text lacks the tools."""
    name = "anthropic/2025-11-13_christcr2012-claude-com-pricing"
    html = prices(f"{name}.html")
    text = prices(f"{name}-text.txt")

    assert text == {series: html.get(series) for series in text}
    assert {"web_search", "code_execution"} == products(html.keys() - text.keys())


def test_googles_html_and_its_rendering_of_the_next_fortnight_agree() -> None:
    """359 prices are the same in both; a model in preview went, a stable one came."""
    html = prices("google/2026-04-27_sergey-homenko-gemini-pricing.html")
    rendered = prices("google/2026-05-08_LoreHex-gemini-pricing-jina.md")
    common = html.keys() & rendered.keys()

    assert 359 == len(common)
    assert [] == [series for series in common if html[series] != rendered[series]]
    assert {"gemini-robotics-er-1.5-preview"} == products(html.keys() - common)
    assert {"gemini-3.1-flash-lite"} == products(rendered.keys() - common)


def test_deepseeks_english_and_chinese_page_of_one_day_sell_the_same() -> None:
    """The same series, one in dollars and one in yuan, never mixed or converted."""
    english = prices("deepseek/2025-12-20_petehsu-en.md")
    chinese = prices("deepseek/2025-12-20_petehsu-zh.md")

    assert {"USD"} == {series.currency for series in english}
    assert {"CNY"} == {series.currency for series in chinese}
    assert {(s.product, s.meter, s.qualifiers) for s in english} == {
        (s.product, s.meter, s.qualifiers) for s in chinese
    }


def test_openais_summer_of_2026_brought_models_and_took_some_but_changed_no_price() -> None:
    """From July's markdown to August's HTML, in the lists of models that both have."""
    before = prices("openai/2026-07-06_piercecohen1-openai-docs.md")
    after = prices("openai/2026-08-21_lzc0403.html")
    common = before.keys() & after.keys()
    came = {series for series in after.keys() - common if series.get("context")}

    assert 236 == len(common)
    assert [] == [series for series in common if before[series] != after[series]]
    assert {
        "o1-mini",
        "gpt-4-0125-preview",
        "gpt-4-1106-preview",
        "gpt-4-1106-vision-preview",
        "gpt-4-0314",
        "gpt-4-32k",
        "gpt-3.5-turbo-0613",
        "gpt-3.5-0301",
        "gpt-3.5-turbo-16k-0613",
    } == products(before.keys() - common)
    assert {
        "gpt-5.6-sol",
        "gpt-5.6-terra",
        "gpt-5.6-luna",
        "gpt-5.6-cyber",
        "gpt-5.5-cyber",
    } == products(came)


def test_anthropics_spring_of_2026_ended_the_surcharge_for_long_prompts() -> None:
    """From 14 March to 18 April four prices went, Opus 4.7 and sessions came, all others stayed.

    Prices up to 200,000 tokens of input have no such limit any more: they count as the same.
    """
    march = prices("anthropic/2026-03-14_JokerRun-docs-pricing.md")
    before = {without_length(series): amount for series, amount in march.items()}
    after = prices("anthropic/2026-04-18_JokerRun-docs-pricing.md")
    gone = before.keys() - after.keys()
    stayed = before.keys() & after.keys()

    assert len(march) == len(before)
    assert {
        (model, meter, ">200000")
        for model in ("claude-sonnet-4-5", "claude-sonnet-4-0")
        for meter in ("input", "output")
    } == {(series.product, series.meter, series.get("context")) for series in gone}
    assert [] == [series for series in stayed if before[series] != after[series]]
    assert {"claude-opus-4-7", "managed_agents"} == products(after.keys() - before.keys())


def test_the_tables_in_the_documentation_are_what_the_command_prints() -> None:
    """docs/accuracy.md is up to date; `make accuracy` brings it there."""
    written = DOCS.read_text(encoding="utf-8")

    assert renewed(written, "accuracy: made by `make accuracy`", tables()) == written


def test_the_command_prints_the_tables_and_is_content(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is wrong and little is missing: exit code 0."""
    assert 0 == main([])
    assert tables() in capsys.readouterr().out
