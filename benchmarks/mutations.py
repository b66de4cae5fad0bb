"""Damaged pages through reader and gate: does a wrong price ever get into the book?

`python -m benchmarks.mutations --count 10000 --seed 1` damages real pages (`benchmarks.damage`),
each time in one way, and lets the gate judge what is read in them against a book that has the
prices of the undamaged page. It prints the shares, and exits 1 when a wrong price was accepted or a
reader broke, with what it takes to see it again: `--only 4711 --keep FOLDER`.

A price is *wrong* when reader and gate accept it and

- its series is on the page, and the amount is neither the page's nor one that the damage itself
  wrote in the place of it (that is a change of the page, which nobody can tell from a true one);
- or its series isn't on the page at all.

Neither wrong nor right is a price of *another scope*: its series isn't on the page, but it has an
amount that the page prints for the same thing, and differs only in the length of the prompt, the
modality or the region that it is said to be for. (A page that lost its table of audio tokens no
longer shows that the other table is for text alone.)
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from random import Random

from bs4 import BeautifulSoup

from benchmarks.accuracy import renew
from benchmarks.damage import Damage, damaged
from benchmarks.saved_pages import SavedPage, page_named, provider_of
from benchmarks.truth import truths
from pricebook.errors import DocumentRefused
from pricebook.quote import Price, Quote, Series
from scraper.document import Document, Provider, Reading, reading_of
from scraper.gate import decide
from scraper.settings import GateSettings

PROCESSES = 2

OTHER_FORMS = (
    "anthropic/2026-05-01_JokerRun-docs-pricing.md",
    "cerebras/2026-05-08_LoreHex-pricing.html",
    "deepseek/2025-12-20_petehsu-en.md",
    "google/2025-12-21_am0n666-gemini-pricing.md",
    "google-vertex/2026-05-08_LoreHex-agent-platform-pricing.html",
    "mistral/2026-08-03_Simon-LM-pricing-api-cards.html",
    "moonshot/2026-07-17_lzc0403-chat-k26.html",
    "openai/2025-12-20_petehsu-platform-pricing.md",
    "openai/2026-07-06_piercecohen1-openai-docs.md",
    "xai/2026-05-08_LoreHex-docs-models-jina.md",
    "zai/2026-08-18_lzc0403.html",
)
"""Pages without a truth table, in forms and of sellers that those with one don't have: of them the
reading of the undamaged page is believed."""

_MANY = 150
"""Pages with more prices take long to read: they are drawn a quarter as often."""


_SCOPE = frozenset({"context", "modality", "region"})


@dataclass(frozen=True, slots=True)
class Original:
    """A page before the damage: what it prints, two prices for one series too, and the book."""

    page: SavedPage
    text: str
    prices: Mapping[Series, set[Decimal]]
    of_any_scope: Mapping[Series, set[Decimal]]
    latest: Mapping[Series, Price]

    def read(self, text: str) -> Reading:
        """What its reader makes of another text."""
        return _read(self.page, self.page.document(text))

    @property
    def weight(self) -> int:
        """How often it is drawn, beside the others."""
        return 1 if len(self.prices) > _MANY else 4


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one damaged page; the counts are of prices."""

    number: int
    page: str
    kind: str
    what: str
    refused: str = ""
    broke: str = ""
    right: int = 0
    changed: int = 0
    scope: int = 0
    held: int = 0
    unread: int = 0
    wrong: tuple[str, ...] = ()


@cache
def originals() -> tuple[Original, ...]:
    """All pages that are damaged, cut to what the readers need."""
    pages = [truth.page for truth in truths()] + [page_named(name) for name in OTHER_FORMS]
    return tuple(_original(page) for page in pages)


def outcome(seed: int, number: int) -> Outcome:
    """Damage a page, read it and judge the reading: the same for the same seed and number."""
    original, damage = _drawn(seed, number)
    about = (number, original.page.name, damage.kind, damage.what)
    try:
        said = original.read(damage.text)
    except DocumentRefused as refused:
        return Outcome(*about, refused=str(refused))
    except Exception as error:  # noqa: BLE001 - a reader that breaks is what we are looking for
        return Outcome(*about, broke=repr(error))
    return _judged(about, original, damage, said)


def _drawn(seed: int, number: int) -> tuple[Original, Damage]:
    chance = Random(f"{seed}:{number}")  # noqa: S311 - repeatable, not secret
    pages = originals()
    (original,) = chance.choices(pages, [page.weight for page in pages])
    return original, damaged(original.text, original.page.form, chance)


def _judged(
    about: tuple[int, str, str, str], original: Original, damage: Damage, said: Reading
) -> Outcome:
    verdict = decide(said, original.latest, GateSettings(), {}, expected=len(original.latest))
    counts = Counter(_judgement(original, damage, quote) for quote in verdict.accepted)
    wrong = [
        f"{quote.series} at {quote.amount} ({quote.where}: {quote.quoted})"
        for quote in verdict.accepted
        if _judgement(original, damage, quote) == "wrong"
    ]
    read = {quote.series for quote in said.quotes}
    return Outcome(
        *about,
        right=counts["right"],
        changed=counts["changed"],
        scope=counts["scope"],
        held=sum(held.quote is not None for held in verdict.held),
        unread=len(original.latest.keys() - read),
        wrong=tuple(wrong),
    )


def _judgement(original: Original, damage: Damage, quote: Quote) -> str:
    known = original.prices.get(quote.series)
    amounts = known or original.of_any_scope.get(_bare(quote.series), set())
    if quote.amount in amounts:
        return "right" if known else "scope"
    if damage.rewritten:
        before, after = damage.rewritten
        if any(quote.amount * before == amount * after for amount in amounts):
            return "changed"
    return "wrong"


def _bare(series: Series) -> Series:
    """The series without the conditions that pages give or leave out as they need them."""
    kept = tuple(said for said in series.qualifiers if said[0] not in _SCOPE)
    return replace(series, qualifiers=kept)


def _original(page: SavedPage) -> Original:
    text = page.path.read_text(encoding="utf-8")
    said = _read(page, page.document(text))
    if page.form == "html":
        cut = _cut(text)
        # Some pages keep their prices in scripts.
        text = cut if _said_alike(page, cut, said) else text
    prices: dict[Series, set[Decimal]] = defaultdict(set)
    of_any_scope: dict[Series, set[Decimal]] = defaultdict(set)
    for quote in _provider(page).read(page.document(text)):
        if isinstance(quote, Quote):
            prices[quote.series].add(quote.amount)
            of_any_scope[_bare(quote.series)].add(quote.amount)
    latest = {quote.series: _price(page, quote) for quote in said.quotes}
    return Original(page, text, dict(prices), dict(of_any_scope), latest)


def _cut(text: str) -> str:
    soup = BeautifulSoup(text, "html.parser")
    for tag in soup(["script", "style", "svg", "nav", "footer", "head", "iframe", "noscript"]):
        tag.decompose()
    return str(soup)


def _said_alike(page: SavedPage, text: str, said: Reading) -> bool:
    try:
        return _read(page, page.document(text)).quotes == said.quotes
    except DocumentRefused:
        return False


def _read(page: SavedPage, document: Document) -> Reading:
    return reading_of(_provider(page), document)


def _provider(page: SavedPage) -> Provider:
    provider = provider_of(page.seller)
    assert provider  # noqa: S101 - the pages are those of sellers that we read
    return provider


def _price(page: SavedPage, quote: Quote) -> Price:
    before = page.document("").at - timedelta(days=1)
    return Price(quote.series, quote.amount, before, "observed", before, page.seller)


# --- the report -----------------------------------------------------------------------------------


_COLUMNS = (
    "damage",
    "pages",
    "refused",
    "right",
    "held",
    "not read",
    "rewritten",
    "other scope",
    "**wrong**",
)


def report(outcomes: list[Outcome], seed: int) -> str:
    """The figures as markdown: what became of pages and prices, by kind of damage."""
    by_kind = defaultdict(list)
    for one in outcomes:
        by_kind[one.kind].append(one)
    return "\n".join(
        [
            f"`python -m benchmarks.mutations --count {len(outcomes)} --seed {seed}` prints:",
            "",
            f"| {' | '.join(_COLUMNS)} |",
            f"|---{'|---:' * (len(_COLUMNS) - 1)}|",
            *(_line(kind, by_kind[kind]) for kind in sorted(by_kind)),
            _line("**all**", outcomes),
        ]
    )


def _line(kind: str, outcomes: list[Outcome]) -> str:
    refused = sum(bool(one.refused) for one in outcomes)
    fates = {
        "right": sum(one.right for one in outcomes),
        "held": sum(one.held for one in outcomes),
        "unread": sum(one.unread for one in outcomes),
        "changed": sum(one.changed for one in outcomes),
        "scope": sum(one.scope for one in outcomes),
    }
    wrong = sum(len(one.wrong) for one in outcomes)
    prices = sum(fates.values()) + wrong
    shares = [_share(count, prices) for count in fates.values()]
    cells = [kind, len(outcomes), _share(refused, len(outcomes)), *shares, wrong]
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _share(part: int, whole: int) -> str:
    return f"{Decimal(100 * part) / whole:.2f} %" if whole else "–"


def failures(outcomes: list[Outcome], seed: int) -> Iterator[str]:
    """A paragraph for each wrong price and each reader that broke."""
    for one in outcomes:
        if one.wrong or one.broke:
            again = f"--seed {seed} --only {one.number}"
            yield f"{one.page}, {one.kind} ({again}): {one.what}\n  " + "\n  ".join(
                [*one.wrong[:5], one.broke]
            )


def outcomes_of(seed: int, count: int, processes: int = PROCESSES) -> list[Outcome]:
    """The outcomes of the mutations 0 to `count` - 1."""
    numbers = [(seed, number) for number in range(count)]
    if processes == 1:
        return [outcome(*one) for one in numbers]
    with get_context("fork").Pool(processes, initializer=originals) as pool:
        return pool.starmap(outcome, numbers, chunksize=50)


def main(arguments: list[str]) -> int:
    """Run, print, perhaps write the figures into a document; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutations")
    parser.add_argument("--count", type=int, default=10_000, help="how many pages are damaged")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="the number of one mutation to see again")
    parser.add_argument("--keep", type=Path, help="a folder for the pages of failed mutations")
    parser.add_argument("--document", type=Path, help="a document whose figures are renewed")
    asked = parser.parse_args(arguments)
    if asked.only is not None:
        outcomes = [outcome(asked.seed, asked.only)]
    else:
        outcomes = outcomes_of(asked.seed, asked.count)
    made = report(outcomes, asked.seed)
    print(made)  # noqa: T201 - this is what the command is for
    if asked.document:
        renew(asked.document, "mutations: made by `make bench-mutations`", made)
    if asked.keep:
        _keep(asked.keep, asked.seed, outcomes)
    failed = list(failures(outcomes, asked.seed))
    for failure in failed:
        print(failure, file=sys.stderr)  # noqa: T201
    return 1 if failed else 0


def _keep(folder: Path, seed: int, outcomes: list[Outcome]) -> None:
    """Write each page that failed, as it was after the damage."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in outcomes:
        if one.wrong or one.broke:
            original, damage = _drawn(seed, one.number)
            file = folder / f"{seed}-{one.number}{original.page.path.suffix}"
            file.write_text(damage.text, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
