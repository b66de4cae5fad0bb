"""One table of OpenAI's pricing page: its service tier and unit, what its columns and rows name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pricebook.errors import PageChanged
from scraper.openai_page import TIER_MARK, TIERS
from scraper.reading import Cell, Row, Table, Unit, Unreadable, unit_in

TIMED_METERS = {"minute": "audio", "second": "video"}
"""What a price by time is for; the page has no other prices by the minute or second."""

TOKEN_METERS = {
    "input": "input",
    "cached input": "cache_read",
    "cache write": "cache_write",
    "cache writes": "cache_write",
    "output": "output",
    "output / cost": "output",
    "training": "training",
}
NOT_SOLD = {"", "-", "–", "—", "N/A", "Not available"}

SIZE_COLUMNS = ("size", "size: output resolution")
_DESCRIPTIONS = {
    "model", "category", "modality", "use case", "tool", "details",
    *SIZE_COLUMNS, "portrait", "landscape",
}  # fmt: skip
# Names that the page prints instead of the id that the API takes.
_IDS = {"Whisper": "whisper-1", "TTS": "tts-1", "TTS HD": "tts-1-hd"}
_LIFETIME = re.compile(r" ?\(?\b([0-9]+)[ -]?(m|h)(?:in(?:ute)?|our|r)?s?\b\)?")


def without_footnotes(printed: str) -> str:
    """The words on one line, without the marks of footnotes behind them: `o3 [1]` is `o3`."""
    words = " ".join(printed.split())
    return re.sub(r"(?: ?\[[0-9]+\]| ?[*†‡¹²³])+$", "", words)


@dataclass(frozen=True, slots=True)
class Label:
    """A model as a row names it: `gpt-5.5 (<272K context length)`, `o3 with data sharing`.

    `short_up_to`: the tokens of a prompt up to which the prices of the row hold.
    """

    name: str
    short_up_to: int | None = None
    data_sharing: bool = False

    @classmethod
    def of(cls, printed: str) -> Label:
        """The label that those words are; any words are one, it is `product` that is checked."""
        words = without_footnotes(printed)
        mark = re.search(r" ?\([<≤] ?([0-9]+[KM]) context length\)", words)
        words = words.replace(mark[0], "") if mark else words
        name = re.sub(r" \(?(?:(?:with )?data sharing|legacy)\)?$", "", words, flags=re.IGNORECASE)
        shares = "data sharing" in words[len(name) :].lower()
        return cls(name, tokens(mark[1]) if mark else None, shares)

    @property
    def product(self) -> str:
        """The id that the API takes; `Unreadable` when the words are none."""
        product = _IDS.get(self.name, self.name)
        if not re.fullmatch(r"[a-z0-9]+(?:[.-][a-z0-9]+)*", product):
            raise Unreadable(f'"{self.name}" is not the id of a model')
        return product


def tokens(printed: str) -> int:
    """`272K` is 272,000 tokens, `1M` is 1,000,000."""
    return int(printed[:-1]) * {"K": 1_000, "M": 1_000_000}[printed[-1]]


@dataclass(frozen=True, slots=True)
class Column:
    """What a column of prices is for. `meter`, `unit` None: each cell says its own."""

    printed: str
    meter: str | None = None
    unit: Unit | None = None
    context: str = ""
    qualifiers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table, its cells under the names of their columns."""

    row: Row

    def text(self, *names: str) -> str:
        """The words below the first of these columns that the table has, on one line; or ""."""
        found = (cell for name in names for column, cell in self.cells() if column == name)
        return " ".join(next(found, Cell("")).text.split())

    def cells(self) -> Iterator[tuple[str, Cell]]:
        """Name of the column and cell, in the page's order."""
        return ((column_name(column), cell) for column, cell in self.row.items())

    @property
    def label(self) -> Label:
        """The model of the row."""
        return Label.of(self.text("model"))

    @property
    def has_long_prices(self) -> bool:
        """Whether prompts beyond the short context have prices of their own."""
        return any(
            name.startswith("long context") and cell.text not in NOT_SOLD
            for name, cell in self.cells()
        )


def column_name(printed: str) -> str:
    """`Short context › Cached input` and `Short context cached input` are one name."""
    return without_footnotes(printed.replace(" › ", " ")).lower()


@dataclass(frozen=True, slots=True)
class PriceTable:
    """A table and what the words around it say of its prices."""

    table: Table

    @property
    def names(self) -> list[str]:
        """The names of the columns, in lower case and without footnotes."""
        return [column_name(column) for column in self.table.columns]

    @property
    def lines(self) -> list[Line]:
        """The rows that have a cell for each column."""
        return [Line(row) for row in self.table.rows]

    @property
    def section(self) -> tuple[str, ...]:
        """The headings above the table, outermost first, without the page's title and tiers."""
        sections = [section for section in self.table.sections if section.level > 1]
        return tuple(part.title for part in sections if part.title.lower() not in TIERS)

    @property
    def heading(self) -> str:
        """The innermost heading that is no service tier, or ""."""
        return self.section[-1] if self.section else ""

    @property
    def tier_label(self) -> str | None:
        """The service tier as printed: the last line above the table that names or marks one."""
        lines = [line.strip("*_: ") for line in self.table.before.split("\n")]
        named = [
            line
            for line in [self.table.heading, *lines]
            if line.startswith(TIER_MARK) or line.lower() in TIERS
        ]
        return named[-1].removeprefix(TIER_MARK) if named else None

    @property
    def tier(self) -> str:
        """The service tier in our words; where the page tells no tiers apart it is standard."""
        return TIERS[(self.tier_label or "standard").lower()]

    @property
    def is_fine_tuning(self) -> bool:
        """Whether the section is on fine-tuning."""
        return bool(re.search(r"\bfine-? ?tuning\b", " ".join(self.section), re.IGNORECASE))

    @property
    def is_of_video(self) -> bool:
        """Whether the section or a column of sizes says that videos are sold."""
        named = re.search(r"\bvideos?\b", " ".join(self.section), re.IGNORECASE)
        return bool(named) or not {*SIZE_COLUMNS}.isdisjoint(self.names)

    @property
    def modality(self) -> str:
        """`audio` for a table below the heading "Audio tokens", as the page of 2025 had them."""
        found = re.fullmatch(r"(text|image|audio) tokens", self.heading, re.IGNORECASE)
        return found[1].lower() if found else ""

    @property
    def unit(self) -> Unit | None:
        """The unit of the nearest sentence `Prices per ...`: above, or behind a heading."""
        sections = [section.prose for section in reversed(self.table.sections)]
        for text in [self.table.before, *sections]:
            sentences = re.findall(r"^prices? (?:are )?per .+", text, re.IGNORECASE | re.MULTILINE)
            if sentences:
                return self._known_unit(sentences[-1])
        return None

    @property
    def text(self) -> str:
        """The whole table on one line."""
        rows = [*(row.cells for row in self.table.rows), *self.table.ragged]
        lines = [list(self.table.columns), *([cell.text for cell in cells] for cells in rows)]
        return " / ".join(" | ".join(line) for line in lines)

    def where(self, *place: str) -> str:
        """The place of a cell by the names that lead to it: `Standard › gpt-4o › Input`."""
        parts = [*self.section, (self.tier_label or "").capitalize(), *place]
        return " › ".join(" ".join(part.split()) for part in parts if part)

    def changed(self, what: str, column: str = "") -> PageChanged:
        """The error that says what is strange about the table, or about one of its columns."""
        name = self.where() or ", ".join(self.table.columns)
        place = f'table "{name}"' + (f', column "{column}"' if column else "")
        return PageChanged("openai", place, what)

    def columns(self) -> list[Column | None]:
        """What the columns are for; None for one that holds no prices, or none that we know."""
        return [self._column(printed) for printed in self.table.columns]

    def check_columns(self, columns: list[Column | None]) -> None:
        """Refuse the page for a column that is unknown, there twice, or of no certain context."""
        for name, printed, column in zip(self.names, self.table.columns, columns, strict=True):
            if column is None and name not in _DESCRIPTIONS:
                raise self.changed("unknown column", printed)
            if self.names.count(name) > 1:
                raise self.changed("more than one column of that name", printed)
        contexts = {column.context for column in columns if column}
        if contexts > {""}:
            raise self.changed("some columns name a context, short or long, and others none")

    def _column(self, printed: str) -> Column | None:
        name = column_name(printed)
        if re.fullmatch(r"price per .+", name):
            return self._timed_column(printed)
        if name in {"estimated cost", "pricing"}:
            return Column(printed)
        if name == "cost":
            return Column(printed, unit=self.unit)
        if name == "batch cost":
            return Column(printed, unit=self.unit, qualifiers={"service_tier": "batch"})
        return self._token_column(printed)

    def _timed_column(self, printed: str) -> Column:
        unit, sentence = self._known_unit(printed), self.unit
        if unit.name not in TIMED_METERS or (sentence and sentence.name != unit.name):
            other = (sentence or unit).printed
            raise self.changed(f'the unit "{other}" was not expected', printed)
        return Column(printed, TIMED_METERS[unit.name], unit)

    def _token_column(self, printed: str) -> Column | None:
        """`Long context cached input`, `30m write`, `Training`: a column of prices of tokens."""
        what = column_name(printed)
        context = next((word for word in ("short", "long") if f"{word} context " in what), "")
        what = what.removeprefix(f"{context} context ")
        lifetime = _LIFETIME.search(what) if "write" in what else None
        if lifetime:
            what = re.sub("^writes?$", "cache writes", what.replace(lifetime[0], "").strip())
        if what not in TOKEN_METERS:
            return None
        kept = {"cache_ttl": lifetime[1] + lifetime[2]} if lifetime else {}
        return Column(printed, TOKEN_METERS[what], self._token_unit(printed), context, kept)

    def _token_unit(self, printed: str) -> Unit:
        if self.unit is None:
            raise self.changed("no sentence says what the prices are for", printed)
        if self.unit.name != "mtok":
            raise self.changed(f'the unit "{self.unit.printed}" is not one of tokens', printed)
        return self.unit

    def _known_unit(self, printed: str) -> Unit:
        try:
            return unit_in(printed)
        except Unreadable as error:
            raise self.changed(str(error)) from error
