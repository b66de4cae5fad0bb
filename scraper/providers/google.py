"""Prices of the Gemini API, from Google's page for developers: its markdown export and its HTML.

A section of the page is a model, or a few that share their prices: the ids that the API takes stand
in code type below its heading, and a heading per service tier leads to one table each, with the
columns `Free Tier` and `Paid Tier, per 1M tokens in USD`. Only the paid tier is read: the free one
is a trial with rate limits. Pages before September 2025 print no ids; there the id of a stable
model is made of its heading, as Google names those (`Gemini 2.5 Pro` is `gemini-2.5-pro`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import groupby

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import Quote, Series, SetAside
from scraper.document import Document, Page
from scraper.reading import (
    Cell,
    Section,
    Table,
    Unit,
    Unreadable,
    html_tables,
    markdown_tables,
    unit,
    usd,
)

SELLER = "google"
PAGES = (
    Page("https://ai.google.dev/gemini-api/docs/pricing.md.txt", "markdown"),
    # Without a language in the address the server chooses one by the visitor's country.
    Page("https://ai.google.dev/gemini-api/docs/pricing?hl=en", "html"),
)

_TIERS = {"standard", "batch", "flex", "priority"}
_TOOLS_SECTION = "Pricing for tools"


def read(document: Document) -> Iterator[Quote | SetAside]:
    """The prices of the paid tiers, by model and tier.

    `DocumentRefused` when there is no price table, `PageChanged` when one has an unknown column,
    unit or currency, no rows, or no certain tier.
    """
    tables = _tables(document)
    if not any(_is_price_table(table) for table in tables):
        raise DocumentRefused(
            f"{SELLER}: {document.url} has no table with a paid tier: it is not the pricing page, "
            "or one that needs JavaScript; open it in a browser to see what is served"
        )
    for section, group in groupby(tables, key=_model_section):
        yield from _read_section(section, list(group), document.at)


def _tables(document: Document) -> list[Table]:
    parse = html_tables if document.form == "html" else markdown_tables
    return parse(document.text)


def _is_price_table(table: Table) -> bool:
    return any(re.match(r"(?i)(free|paid) tier\b", column) for column in table.columns)


def _model_section(table: Table) -> Section:
    """The nearest section that is not a tier's."""
    models = [section for section in table.sections if section.title.lower() not in _TIERS]
    return models[-1] if models else Section(1, "")


# --- sections and tables --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Model:
    """A section: what its heading says, the ids below it, and all its prose with the footnotes."""

    name: str
    ids: tuple[str, ...]
    prose: str


def _read_section(
    section: Section, tables: Sequence[Table], at: datetime
) -> Iterator[Quote | SetAside]:
    prose = "\n".join([section.prose, *(f"{table.before}\n{table.after}" for table in tables)])
    model = _Model(section.title, _ids(section), prose)
    priced = [table for table in tables if _is_price_table(table)]
    try:
        tiers = _tiers(section, priced)
    except Unreadable as error:
        yield from (SetAside(str(error), section.title, _text(table)) for table in priced)
    else:
        for table, tier in zip(priced, tiers, strict=True):
            yield from _read_table(model, tier, table, at)
    for table in tables:
        if table not in priced and "$" in _text(table):
            yield SetAside("a table of an unknown kind", section.title, _text(table))


def _text(table: Table) -> str:
    rows = [*(row.cells for row in table.rows), *table.ragged]
    return "\n".join(" | ".join(cell.text for cell in cells) for cells in rows)


_ID = r"`([a-z][a-z0-9.-]+)`"


def _ids(section: Section) -> tuple[str, ...]:
    """The ids in code type on lines of their own below the heading, else by the rule above."""
    lines = rf"(?m)^[*_,\s]*(?:{_ID}(?:[*_,\s]|and\b)*)+$"
    if found := re.search(lines, section.prose):
        return tuple(re.findall(_ID, found[0]))
    stable = re.fullmatch(r"Gemini \d+(?:\.\d+)? (?:Pro|Flash(?:-Lite|-8B)?)", section.title)
    return (section.title.lower().replace(" ", "-"),) if stable else ()


def _tiers(section: Section, tables: Sequence[Table]) -> list[str]:
    headings = [table.heading.lower() for table in tables]
    unnamed = [heading for heading in headings if heading not in _TIERS]
    tabs = _tab_labels(section)
    # Models sold in one tier have no heading for it; the page calls that tier Standard.
    tiers = [heading if heading in _TIERS else "standard" for heading in headings]
    if tabs and unnamed:
        if not len(unnamed) == len(tabs) == len(tables):
            raise Unreadable(f"{len(tables)} tables for the tiers {', '.join(tabs)}")
        tiers = tabs
    if len(set(tiers)) != len(tables):
        raise PageChanged(SELLER, f'section "{section.title}"', "several tables for one tier")
    return tiers


def _tab_labels(section: Section) -> list[str]:
    """The tiers of a rendering that kept the page's tabs as one line and lost the headings."""
    for line in section.prose.splitlines():
        if re.fullmatch(r"(?:(?:Standard|Batch|Flex|Priority)\s*)+(?:More)?", line):
            return [label.lower() for label in re.findall(r"Standard|Batch|Flex|Priority", line)]
    return []


@dataclass(frozen=True, slots=True)
class _Columns:
    label: str
    paid: str
    unit: Unit


def _read_table(model: _Model, tier: str, table: Table, at: datetime) -> Iterator[Quote | SetAside]:
    place = f'table "{model.name} › {tier}"'
    columns = _columns(table, place)
    if not table.rows:
        raise PageChanged(SELLER, place, "no rows that fit its columns")
    for cells in table.ragged:
        text = " | ".join(cell.text for cell in cells)
        yield SetAside(f"{len(cells)} cells for {len(table.columns)} columns", place, text)
    for row in table.rows:
        label = _unmarked(row[columns.label])
        yield from _read_row(_Row(model, tier, label, row[columns.paid], columns, at))


_LABEL_COLUMNS = {"", "Feature"}


def _columns(table: Table, place: str) -> _Columns:
    paid = [name for name in table.columns if name.startswith("Paid Tier")]
    labels = [name for name in table.columns if name in _LABEL_COLUMNS]
    strange = {*table.columns} - {*paid, *labels, "Free Tier"}
    if strange:
        raise PageChanged(SELLER, f'{place}, column "{min(strange)}"', "unknown column")
    if len(paid) != 1 or len(labels) != 1:
        raise PageChanged(SELLER, place, f"{len(paid)} paid and {len(labels)} label columns")
    return _Columns(labels[0], paid[0], _paid_unit(paid[0], place))


# "per tokens" is a unit that lost its count, not a price per token.
_COUNTED = r"(?!tokens)"


def _paid_unit(column: str, place: str) -> Unit:
    words = re.fullmatch(rf"Paid Tier, (per {_COUNTED}.+) in USD", column)
    try:
        return unit(words[1] if words else "")
    except Unreadable:
        wanted = "no unit in US dollars that we know, as in `Paid Tier, per 1M tokens in USD`"
        raise PageChanged(SELLER, f'{place}, column "{column}"', wanted) from None


# --- rows -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of a table, with all that its prices depend on."""

    model: _Model
    tier: str
    label: str
    cell: Cell
    columns: _Columns
    at: datetime

    @property
    def where(self) -> str:
        return " › ".join([self.model.name, self.tier.title(), self.label, self.columns.paid])


# What a row is about, by its label: the first form that fits. Groups are qualifiers.
_KINDS = {
    "other": r"used to improve our products",
    "input": r"(?:(?P<modality>\w+) )?input price(?: \((?P<modalities>[a-z, /]+)\))?",
    "output": r"(?:(?P<modality>\w+) )?output price(?: \(including thinking tokens\))?",
    "cache": r"context caching price",
    "storage": r"context caching \(storage\)",
    "search": r"(?:grounding with )?google (?P<tool>search|web and image search|maps)",
    "files": r"(?P<tool>file search)",
    "live": r"(?P<variant>live api)",
    "image": r"(?:.+ )?image price|image generation pric(?:e|ing)",
    "video": r"(?:.+ )?video(?: with audio|(?P<variant> without audio))? price(?: \(default\))?",
    "named": r".*",
}
# What the words in a cell may make of its row: `Input: $3.00`, `$1.00 (storage price)`.
_KINDS_WITHIN = {
    "live": {"input", "output"},
    "cache": {"cache", "storage"},
}
_TOOLS = {
    "search": "google_search",
    "web and image search": "google_search",
    "maps": "google_maps",
    "file search": "file_search",
}
# The meter of a kind of row by the unit of a price in it; any other pair is not understood.
_METERS = {
    ("input", "mtok"): "input",
    ("input", "image"): "input",
    ("input", "minute"): "input",
    ("output", "mtok"): "output",
    ("output", "minute"): "output",
    ("output", "image"): "image",
    ("cache", "mtok"): "cache_read",
    ("cache", "mtok_hour"): "cache_storage",
    ("storage", "mtok_hour"): "cache_storage",
    ("search", "kreq"): "search",
    ("files", "mtok"): "input",
    ("image", "image"): "image",
    ("video", "second"): "video",
    ("named", "song"): "audio",
    ("named", "request"): "request",
}


def _read_row(row: _Row) -> Iterator[Quote | SetAside]:
    if foreign := re.search(r"[€£¥₹₩]", row.cell.text):
        raise PageChanged(SELLER, row.where, f'currency "{foreign[0]}" instead of US dollars')
    try:
        yield from list(_quotes(row))
    except Unreadable as reason:
        yield SetAside(str(reason), row.where, row.cell.text)


def _quotes(row: _Row) -> Iterator[Quote]:
    kind, qualifiers = _kind_of(row.label)
    for price in _prices_in(row, kind):
        # An end that has passed: the page is late to take the old price down.
        if price.until is None or price.until > row.at:
            price.kind = _kind_within(row, kind, price)
            price.qualifiers = {"service_tier": row.tier, **qualifiers, **price.qualifiers}
            yield from _quotes_of(price, row)


def _kind_within(row: _Row, kind: str, price: _Price) -> str:
    """What a price is for by the words in its cell, where a row of its kind may have such words."""
    if price.kind and price.kind not in _KINDS_WITHIN.get(kind, ()):
        raise Unreadable(f'"{row.label}" is no row that we know to price {price.kind}')
    return price.kind or kind


def _kind_of(label: str) -> tuple[str, dict[str, str]]:
    """The kind of a row, and the qualifiers that its label gives."""
    if not label:
        raise Unreadable("a row without a name")
    forms = ((kind, re.fullmatch(form, label, re.IGNORECASE)) for kind, form in _KINDS.items())
    kind, found = next((kind, found) for kind, found in forms if found)
    said = {name: words.strip() for name, words in found.groupdict().items() if words}
    if modality := said.pop("modalities", None) or said.get("modality"):
        said["modality"] = _modality(modality)
    if tool := said.get("tool"):
        said["tool"] = _TOOLS[tool.lower()]
    return kind, said


def _quotes_of(price: _Price, row: _Row) -> Iterator[Quote]:
    paid_for = _unit_of(price, row)
    meter = _METERS.get((price.kind, paid_for.name))
    if meter is None:
        raise Unreadable(f'"{row.label}" priced {paid_for.printed} is no row that we know')
    if meter in {"image", "video", "audio", "cache_storage"}:
        price.qualifiers.pop("modality", None)
    for product in _products(price, row):
        yield Quote(
            Series.of(SELLER, product, meter, paid_for.name, **price.qualifiers),
            paid_for.price(price.amount),
            quoted=row.cell.text,
            where=row.where,
            printed_unit=paid_for.printed,
            valid_from=price.start,
            valid_until=price.until,
            basis="announced" if price.start else "observed",
        )


# --- the unit of a price, and the model that it is for ------------------------------------------


def _unit_of(price: _Price, row: _Row) -> Unit:
    """The price's own unit, that of its footnote, or the column's, in this order."""
    if price.unit == "per hour" and price.kind == "storage":
        return unit(f"{row.columns.unit.printed} per hour")
    if price.unit:
        return unit(price.unit)
    if price.qualifiers.get("modality") == "image":
        return _unit_of_images(price, row)
    return row.columns.unit


def _unit_of_images(price: _Price, row: _Row) -> Unit:
    """By its footnote, a price of images in a table for tokens can be per image.

    "$1.00 (text), $0.0006 (image)*", and below: "Image input is set at 560 tokens or $0.0011 per
    image."
    """
    note = rf"Image {price.kind} is (?:set|priced) at (?:[\d,]+ tokens or )?\$[\d.]+ "
    found = re.search(rf"{note}(per {_COUNTED}[\w, ]+)", row.model.prose.replace("\n", " "))
    if found:
        return unit(found[1])
    if row.cell.note or "*" in row.cell.text:
        raise Unreadable("a price with a footnote that we can't read")
    return row.columns.unit


def _products(price: _Price, row: _Row) -> Iterable[str]:
    """The ids that a price is for: all of the section, or the one that the row's label names."""
    tool = price.qualifiers.get("tool")
    if row.model.name == _TOOLS_SECTION and tool:
        return [tool]
    if not row.model.ids:
        raise Unreadable(f'"{row.model.name}" prints no id that the API takes')
    return [_named_id(row)] if price.kind in {"image", "video", "named"} else row.model.ids


# Words of labels and ids that don't tell the models of one section apart.
_COMMON = r"price|pricing|images?|video|audio|with|without|generat(?:e|ion)|preview|exp|\d{2,}"


def _named_id(row: _Row) -> str:
    """The id with just the distinctive words of the label: `Imagen 4 Fast image price`.

    Of several ids, the one without such words is that of the model called Standard.
    """
    of_ids = {product: _words_of(product.replace("-", " ")) for product in row.model.ids}
    shared = _words_of(row.model.name).union(set.intersection(*of_ids.values()))
    named = _words_of(row.label) - shared
    plain = {"standard"} if len(of_ids) > 1 else named & {"standard"}
    fitting = [product for product, words in of_ids.items() if (words - shared or plain) == named]
    if len(fitting) != 1:
        raise Unreadable(f'"{row.label}" names none of {", ".join(row.model.ids)}')
    return fitting[0]


def _words_of(text: str) -> set[str]:
    plain = re.sub(r"\([^)]*\)", "", text.lower())
    return {word for word in re.findall(r"[\w.]+", plain) if not re.fullmatch(_COMMON, word)}


# --- cells ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Price:
    """One amount of a cell and what the words beside it say; `unit` "" is the column's."""

    amount: Decimal
    kind: str = ""
    unit: str = ""
    qualifiers: dict[str, str] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)
    start: datetime | None = None
    until: datetime | None = None


def _prices_in(row: _Row, kind: str) -> list[_Price]:
    words = _unmarked(row.cell)
    if "$" in words:
        return _prices(words)
    if (kind, row.columns.unit.name) not in _METERS or re.match(_NOT_SOLD, words, re.IGNORECASE):
        return []
    if re.fullmatch(r"free(?: of charge)?", words, re.IGNORECASE):
        return [_Price(Decimal(0))]
    raise Unreadable(f'"{words}" is neither a price nor a word for none')


_NOT_SOLD = r"not available\b|not supported\b|n/a$|coming soon\b|contact\b|see\b|[-–—]?$"


def _unmarked(cell: Cell) -> str:
    """The cell's words in one line, without marks of footnotes: `^*^` and `*` in markdown."""
    return " ".join(re.sub(r"\^\*+\^|\*", "", cell.text).split())


# The words of a cell: the first form that fits is taken. A size stands where a count could, before
# the thing: "per 1K image".
_SIZE = r"[\d.]+K(?:/[\d.]+K)*(?= (?:resolution )?image\b)"
_THING = rf"(?:{_SIZE} (?:resolution )?)?image|\d+s (?:of )?(?:audio|video)"
_DAY = r"([A-Z][a-z]+ \d{1,2}, 20\d{2})"
_WORDS = {
    "amount": r"\$[\d.,]*\d",
    # The price before it in other words; billing is by that one.
    "equivalent": rf"(?i:equivalent to)(?:(?:,|and|\s)*\$[\d.]+ per (?:{_THING})\b)+"
    rf"(?: (?:through|starting) {_DAY})?|\(\$[\d.]+ per \w+\)",
    "allowance": r"[\d,]+ (?:free )?(?:RPD|(?:search )?(?:requests|prompts) per (?:month|day))"
    r"(?: free\b)?(?: for \w+)?(?: \([^()$]*\))?",
    "unit": rf"(?:/|per ) ?(?:({_SIZE}) )?{_COUNTED}"
    r"(?:[\d,]+[KM]? )?[a-z]+(?: (?:prompts|requests|queries))?(?: per hour)?",
    "context": r"prompts (<=|≤|>) ?(\d+)(k|K|M)(?: tokens?)?\b",
    "storage": r"\(storage price\)",
    "caching": r"\(input caching\)",
    "nothing": r"\(\w+ output not supported\)",
    "remark": r"\(([^()$]*)\)",
    "until": rf"through {_DAY}",
    "start": rf"starting {_DAY}",
    "heading": r"(Input|Output|Thinking|Non-thinking|Gemini [\d.x]+)(?: models)?:",
    "or": r"or\b",
    "filler": r"[\s,;._]+|(?:and|[Tt]hen)\b|Same as Standard(?:, \w+ pricing not yet implemented)?"
    r"|for text and image-based grounding|Charged for ?embeddings ?at"
    r"|Retrieved document tokens charged as regular tokens per model pricing"
    r"|See ?the ?[^.$]+?pricing section for [\w ]+ specific Search pricing",
}


def _prices(cell: str) -> list[_Price]:
    """All prices of a cell, read from left to right; a word that we don't know is `Unreadable`."""
    prices: list[_Price] = []
    about: list[_Price] = []  # what the next words are about: both of "$3 or $0.005/min (audio)"
    heading: re.Match[str] | None = None
    joined = False
    for form, found in _read_words(cell):
        if form == "amount":
            about = [*about, _Price(usd(found[0]))] if joined else [_Price(usd(found[0]))]
            prices.append(about[-1])
            if heading:
                _say_heading(prices[-1], heading)
        elif form == "heading":
            heading, about = found, []
        elif form in _SAID:
            _qualify(about, form, found)
        joined = form == "or" or (joined and form == "filler")
    _refuse_lost_words(prices)
    return prices


def _read_words(cell: str) -> Iterator[tuple[str, re.Match[str]]]:
    at = 0
    while at < len(cell):
        tried = ((form, re.compile(words).match(cell, at)) for form, words in _WORDS.items())
        form, found = next(((form, found) for form, found in tried if found), ("", None))
        if found is None:
            raise Unreadable(f'"{cell[at:]}" is not understood')
        yield form, found
        at = found.end()


def _qualify(prices: Sequence[_Price], form: str, found: re.Match[str]) -> None:
    if not prices:
        raise Unreadable(f'"{found[0]}" stands before its price')
    # A unit belongs to the amount right before it, all else to the alternatives too.
    for price in prices[-1:] if form == "unit" else prices:
        if form in price.said or (form == "unit" and price.said):
            raise Unreadable(f'"{found[0]}" may belong to a price that is missing')
        price.said.add(form)
        _SAID[form](price, found)


def _refuse_lost_words(prices: Sequence[_Price]) -> None:
    """Prices in one unit are told apart by the same things, or the cell isn't whole."""
    told: dict[tuple[str, str], set[str]] = {}
    for price in prices:
        if price.start and price.until and price.start >= price.until:
            raise Unreadable("a price that ends before it starts")
        if told.setdefault((price.kind, price.unit), {*price.qualifiers}) != {*price.qualifiers}:
            raise Unreadable("some of the prices don't say what they are for, others do")


def _say_heading(price: _Price, found: re.Match[str]) -> None:
    """`Input:` and `Output:` in a row of both; `Thinking:`, `Gemini 3 models:`."""
    if found[1] in {"Input", "Output"}:
        price.kind = found[1].lower()
    else:
        price.qualifiers["variant"] = found[1]


def _say_unit(price: _Price, found: re.Match[str]) -> None:
    price.unit = found[0]
    if size := found[1]:
        price.unit = found[0].replace(f"{size} ", "")
        price.qualifiers["variant"] = size.replace("/", "+")


def _say_context(price: _Price, found: re.Match[str]) -> None:
    """`prompts <= 200k tokens` is `<=200000`."""
    tokens = int(found[2]) * (10**6 if found[3] == "M" else 1000)
    price.qualifiers["context"] = f"{found[1].replace('≤', '<=')}{tokens}"


def _say_storage(price: _Price, _: re.Match[str]) -> None:
    price.kind = "storage"


def _say_caching(price: _Price, _: re.Match[str]) -> None:
    price.kind = "cache"


def _say_remark(price: _Price, found: re.Match[str]) -> None:
    """`(720p and 1080p)`, `(text / image / video)`."""
    sizes = re.findall(r"\d+[pkK]\b", found[1])
    if sizes and re.fullmatch(r"(?:\d+[pkK]|and|[,/ ])+", found[1]):
        price.qualifiers["variant"] = "+".join(sizes)
    else:
        price.qualifiers["modality"] = _modality(found[1])


def _say_until(price: _Price, found: re.Match[str]) -> None:
    """The end is exclusive: through December 31 is until January 1."""
    price.until = _day(found[1]) + timedelta(days=1)


def _say_start(price: _Price, found: re.Match[str]) -> None:
    price.start = _day(found[1])


def _day(words: str) -> datetime:
    """Midnight UTC: the page names no time zone."""
    try:
        return datetime.strptime(words, "%B %d, %Y").replace(tzinfo=UTC)
    except ValueError:
        raise Unreadable(f'"{words}" is not a date') from None


_SAID = {
    "unit": _say_unit,
    "context": _say_context,
    "storage": _say_storage,
    "caching": _say_caching,
    "remark": _say_remark,
    "until": _say_until,
    "start": _say_start,
}
_MODALITIES = {"text": "text", "image": "image", "images": "image", "audio": "audio"}
_MODALITIES |= {"video": "video", "thinking": "text"}


def _modality(words: str) -> str:
    """`text / image / video` and `audio / image [video]` joined by `+`; thinking is text."""
    named = [word for word in re.split(r"[^a-z]+", words.lower()) if word not in {"", "and"}]
    lost = re.search(r"^\W*[/,]|[/,]\W*$|[/,] *[/,]", words)
    if lost or not named or not set(named) <= set(_MODALITIES):
        raise Unreadable(f'"({words})" is not a modality that we know')
    return "+".join(dict.fromkeys(_MODALITIES[word] for word in named))
