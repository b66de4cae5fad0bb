"""The tables and rows of Google Cloud's page of Vertex AI prices, and what they tell by where."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bs4 import BeautifulSoup

from pricebook.errors import DocumentRefused, PageChanged
from scraper.document import Document
from scraper.reading import Cell, Table, Unreadable, html_tables
from scraper.vertex_models import PERIOD, plain_name
from scraper.vertex_table import TIERS, Column, Kind

MODEL_COLUMNS = ("Model", "Open Source Model")


def tables(document: Document) -> list[Table]:
    """The tables of a price page; `DocumentRefused` for another form than HTML."""
    if document.form != "html":
        raise DocumentRefused(
            f"google-vertex: {document.url} is {document.form}, only html is read"
        )
    mended = re.sub(
        r"<table\b[\s\S]*?</table>", _without_names_of_lost_rows, _mended(document.text)
    )
    return html_tables(_with_tab_headings(mended))


def _with_tab_headings(html: str) -> str:
    """The page with the label of each tab as a heading of what the tab shows."""
    if 'role="tabpanel"' not in html:
        return html
    soup = BeautifulSoup(html, "html.parser")
    for panel in soup.select("[role=tabpanel]"):
        label = soup.find(id=str(panel.get("aria-labelledby") or ""))
        if panel.find("table") and not (label and label.get_text(strip=True)):
            raise PageChanged("google-vertex", "a tab with prices", "has no label")
        heading = soup.new_tag("h6")
        heading.string = label.get_text(" ", strip=True) if label else ""
        panel.insert(0, heading)
    return str(soup)


_INSIDE = r"(?:(?!</?(?:t[dhr]|table|thead|tbody)\b)[\s\S])*"
_OPEN_CELL = re.compile(rf"(<(t[dh])\b[^>]*>{_INSIDE})(?=<t[dh]\b)")
_STRAY = re.compile(rf"((?:</t[dh]>|<tr\b[^>]*>)\s*)([^\s<]{_INSIDE})(?=</?t[dhr]\b)")


def _mended(html: str) -> str:
    """The page with its rows and cells as browsers take them: one ends where another begins.

    One table has a row inside a row, and a cell outside of all rows. Words between two cells are a
    cell whose tag is lost: without it, those behind would move to the columns before theirs.
    """
    opened = re.sub(r"(<tr\b[^>]*>)\s*(?=<tr\b)", r"\1</tr>", html)
    closed = re.sub(r"</tr>\s*(?=<t[dh]\b)", "</tr><tr>", opened)
    return _STRAY.sub(r"\1<td>\2</td>", _OPEN_CELL.sub(r"\1</\2>", closed))


def _without_names_of_lost_rows(table: re.Match[str]) -> str:
    """The table with each name on its own row alone that should reach far beyond the last row.

    Its rows are lost, and those that are left may be another model's. The page itself has a name
    that reaches one row too far.
    """
    rows = re.split(r"(?=<tr\b)", table[0])
    for at, row in enumerate(rows):
        reach = re.search(r'rowspan="?([0-9]+)', row)
        is_name = len(re.findall(r"<t[dh]\b", row)) == 1
        if reach and is_name and int(reach[1]) > len(rows) - at + 1:
            rows[at] = row.replace(reach[0], "")
    return "".join(rows)


def is_price_table(table: Table) -> bool:
    """Whether its rows are models."""
    return any(column in MODEL_COLUMNS for column in table.columns)


@dataclass(frozen=True, slots=True)
class VertexPage:
    """What a row's meaning depends on outside its own table.

    `names`: the models with prices of tokens. `split`: models and their side, input or output, that
    have a row for each of several modalities. `regional`: models with rows for non-global
    endpoints. `regional_from`: the day from which prices apart for those hold, when the page
    announces one.
    """

    tables: list[Table]
    names: set[str]
    split: set[tuple[str, str]]
    regional: set[str]
    regional_from: datetime | None

    @property
    def has_regions(self) -> bool:
        """Whether the page has tabs for regions."""
        return any(_region(table.heading) for table in self.tables)

    @classmethod
    def of(cls, tables: list[Table]) -> VertexPage:
        """What these tables say of one another."""
        names = {
            plain_name(row.label)
            for table in tables
            if is_price_table(table) and "Feature" not in table.columns
            for row in table.rows
        }
        prose = " ".join(f"{table.before} {table.after}" for table in tables)
        split = {side for table in tables if is_price_table(table) for side in _split(table)}
        regional = {
            name
            for table in tables
            for name, labels in _labels_of(table)
            if labels.get("Region", "").startswith("Non-global")
        }
        return cls(tables, names, split, regional, day_in(" ".join(prose.split()), _REGIONAL))

    def full_name(self, printed: str) -> str:
        """The name of the model: lists of storage prices leave out that it is a preview."""
        name = plain_name(printed)
        preview = f"{name} Preview"
        return preview if name not in self.names and preview in self.names else name


def _model(labels: Mapping[str, str]) -> str:
    return next((labels[name] for name in MODEL_COLUMNS if name in labels), "")


def _split(table: Table) -> Iterator[tuple[str, str]]:
    """The models and sides of a table that it prices by modality, also where a price is missing."""
    seen: dict[tuple[str, str], set[str | None]] = defaultdict(set)
    for name, labels in _labels_of(table):
        for line in filter(None, labels.get("Type", "").split("\n")):
            try:
                kind = Kind.of(line)
            except Unreadable:  # then nobody knows for what the other rows are not
                for side in _sides(line):
                    seen[name, side].add(line)
            else:
                seen[name, kind.meter].add(kind.modality)
    yield from (side for side, modalities in seen.items() if len(modalities) > 1)


def _labels_of(table: Table) -> Iterator[tuple[str, dict[str, str]]]:
    """The plain name of each row's model, its own or that of the row above, and its cells."""
    name = ""
    for cells in all_rows(table):
        labels = dict(zip(table.columns, (cell.text for cell in cells), strict=False))
        name = plain_name(_model(labels)) or ("" if table.ragged else name)
        yield name, labels


def _sides(line: str) -> list[str]:
    """Whether a type that isn't known may be one of input or output."""
    words = line.lower()
    named = [side for side in ("input", "output") if side in words]
    return named or ([] if "train" in words else ["input", "output"])


_REGIONAL = (
    r"For non-global endpoints, pricing will go into effect [^.]* on {day}\. "
    r"Before [^.]*, Global endpoint pricing applies"
)


def day_in(text: str, sentence: str) -> datetime | None:
    """Midnight UTC at the start of the `{day}` of a sentence, None when the text has none such.

    The page names no time zone.
    """
    said = re.search(sentence.replace("{day}", r"([A-Z][a-z]+ [0-9]{1,2}, [0-9]{4})"), text)
    try:
        return datetime.strptime(said[1], "%B %d, %Y").replace(tzinfo=UTC) if said else None
    except ValueError:
        return None


def place(table: Table) -> str:
    """The table by its heading, or by its columns."""
    return f'table "{table.heading or " | ".join(table.columns)}"'


def all_rows(table: Table) -> list[Sequence[Cell]]:
    """The cells of all rows that have some, those with too few or too many last."""
    return [*(row.cells for row in table.rows), *filter(None, table.ragged)]


def inherits_models(table: Table) -> bool:
    """Whether a blank cell in the column of models means the model above.

    Without types, or with features, each row is for a model of its own.
    """
    return "Type" in table.columns and "Feature" not in table.columns


def text_of(table: Table) -> str:
    """All that stands in the rows, a line for each."""
    return "\n".join(" | ".join(cell.text for cell in cells) for cells in all_rows(table))


_PLACE_SOLD = re.compile(
    r"(?P<region>|non-global|[a-z]+(?:-[a-z]+[0-9]+)?)(?: \((?P<tier>[a-z]+)\))?(?P<mark>\*?)"
)


@dataclass(frozen=True, slots=True)
class PlaceSold:
    """What a cell of the column `Region` says: `Non-global*`, `Global (Batch)`, `us-east5`."""

    region: str
    tiers: tuple[str, ...] | None
    marked: bool

    @classmethod
    def of(cls, printed: str) -> PlaceSold:
        """`Unreadable` for words that are no region."""
        found = _PLACE_SOLD.fullmatch(printed.lower())
        if not found or (found["tier"] and found["tier"] not in TIERS):
            raise Unreadable(f'the region "{printed.lower()}" is not known')
        tiers = TIERS[found["tier"]] if found["tier"] else None
        return cls(found["region"], tiers, bool(found["mark"]))


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its model, the texts of its label columns, and the cells below price columns."""

    page: VertexPage
    table: Table
    name: str
    labels: dict[str, str]
    prices: list[tuple[Column, Cell]]
    trouble: str = ""

    @classmethod
    def of(
        cls,
        page: VertexPage,
        table: Table,
        columns: Sequence[Column | None],
        cells: Sequence[Cell],
        above: Row | None,
    ) -> Row:
        """The row of these cells; cells that are missing at its end are empty, as browsers show it.

        `above`: the row above, whose model and type hold for a row whose own cells are blank.
        """
        cells = _with_own_label(columns, cells)
        pairs = list(zip(table.columns, columns, cells, strict=False))
        labels = {header: cell.text for header, column, cell in pairs if column is None}
        if "Region" in labels:
            labels["Region"] += "".join(c.note for header, _, c in pairs if header == "Region")
        # Short rows come last, out of the page's order: then nobody knows what was above.
        above = None if table.ragged else above
        name = " ".join(_model(labels).split())
        if above and not name and inherits_models(table):
            name = above.name
            if "Region" in labels and not labels.get("Type"):
                labels |= {"Type": above.labels.get("Type", "")}
        prices = [(column, cell) for _, column, cell in pairs if column]
        trouble = _trouble(labels.values(), len(cells) - len(columns))
        return cls(page, table, name, labels, prices, trouble)

    def told(self, header: str) -> str:
        """The words below a header, without which nobody knows what the price is for."""
        if not self.labels.get(header):
            raise Unreadable(f'nothing stands below "{header}"')
        return self.labels[header]

    @property
    def kinds(self) -> list[Kind]:
        """What the lines of the row's cells are for; none when each line says it itself."""
        feature = self.labels.get("Feature", "").rstrip("*")
        if feature == "Context Cache Storage":
            return [Kind("cache_storage")]
        if "Output" in self.labels:
            return [_described(self)]
        types = self.labels.get("Type") or self.labels.get("Usage")
        if types is None:
            return []
        if "fine-tuning" in types.lower():
            return [Kind.of(types)]
        return [Kind.of(line) for line in types.split("\n")]

    @property
    def variant(self) -> str:
        """What is left of a description: `Upscaling`, `Video generation, 4k`."""
        if "Output" not in self.labels:
            return ""
        feature = self.told("Feature")
        _check_feature(feature, self.told("Output"))
        if feature in ("Image generation", "Music generation"):
            return ""
        if feature.startswith("Embeddings for"):
            return _embedded(feature, self.told("Description"), self.told("Input"))
        has_sizes = "Output Resolution" in self.table.columns
        return f"{feature}, {self.told('Output Resolution')}" if has_sizes else feature

    @property
    def period(self) -> tuple[datetime | None, datetime | None]:
        """From when and until when the prices hold, by the words behind the model's name."""
        said = PERIOD.search(self.name)
        if not said:
            return None, None
        day = day_in(said[2], "{day}")
        if not day:
            raise Unreadable(f'"{said[2]}" is not a date')
        is_end = said[1].lower() == "through"
        return (None, day + timedelta(days=1)) if is_end else (day, None)

    @property
    def place_sold(self) -> PlaceSold:
        """What the column `Region` says, if there is one."""
        return PlaceSold.of(self.told("Region") if "Region" in self.table.columns else "")

    @property
    def tiers(self) -> tuple[str, ...]:
        """The service tiers that the heading names, or the standard one."""
        return TIERS.get(self.table.heading.lower(), TIERS["standard"])

    @property
    def region(self) -> str | None:
        """The region whose tab the table stands in, or that the row names.

        Once the page has tabs for regions, a Claude model's prices are those of a region, or the
        heading says that they hold in all.
        """
        heading = self.table.heading
        if found := _region(heading):
            return found
        if (
            self.page.has_regions
            and re.match("Claude|Opus|Sonnet|Haiku", self.name)
            and "all regions" not in heading
        ):
            raise Unreadable("the region is not said")
        named = self.place_sold.region
        is_told_apart = plain_name(self.name) in self.page.regional
        return named if named != "global" or is_told_apart else None

    def where(self, column: Column) -> str:
        """Table, row and column by their names."""
        kind = self.labels.get("Type") or self.labels.get("Feature") or ""
        parts = [self.table.heading, self.name, " ".join(kind.split()), column.printed]
        return " › ".join(part for part in parts if part)


def _trouble(labels: Iterable[str], too_many: int) -> str:
    """Why the cells of a row can't be those of the columns that they stand below, or ""."""
    if any(re.search(r"[$€£¥] ?[0-9]", label) for label in labels):
        return "an amount in a column that holds none"
    return "more cells than columns" if too_many > 0 else ""


def _region(heading: str) -> str | None:
    """The region that a heading is: `Global`, `US Multi-Region (us)`, `us-east5`."""
    multi = re.fullmatch(r".+ Multi-Region \(([a-z]+)\)", heading)
    place = multi[1] if multi else heading
    return place.lower() if multi or re.fullmatch(r"Global|[a-z]+-[a-z]+[0-9]+", place) else None


def _with_own_label(columns: Sequence[object], cells: Sequence[Cell]) -> Sequence[Cell]:
    """The cells of a row whose model and prices were put into one: the model is its first line."""
    if len(columns) == 2 and len(cells) == 1 and "$" in cells[0].text:
        label, _, prices = cells[0].text.partition("\n")
        return [Cell(label), Cell(prices)]
    return cells


_OUTPUTS = {
    "image": "image",
    "video": "video",
    "video + audio": "video",
    "music": "audio",
    "full song": "audio",
    "30 second music clip": "audio",
    "text caption": "input",
    "text answer": "input",
}


def _described(row: Row) -> Kind:
    """What a row is for that names its input and its output in words."""
    output = row.labels["Output"].lower()
    if output.startswith("embeddings"):
        return Kind("input", row.told("Input").lower())
    if output not in _OUTPUTS:
        raise Unreadable(f'the output "{row.labels["Output"]}" is not known')
    return Kind(_OUTPUTS[output])


def _check_feature(feature: str, output: str) -> None:
    """Refuse a feature that lost a word: generation is of what the row says to come out."""
    words = feature.lower()
    is_whole = " " in words or words == "upscaling"
    if words.endswith("generation"):
        is_whole = words.startswith(output.lower())
    elif output.startswith("Embeddings"):
        is_whole = words.startswith("embeddings for")
    if not is_whole:
        raise Unreadable(f'the feature "{feature}" doesn\'t say what comes out')


def _embedded(feature: str, described: str, taken: str) -> str:
    """Which of several prices of video: `Video Plus`; others have one price each."""
    if taken != "Video":
        return ""
    if not feature.endswith(described):
        raise Unreadable(f'"{feature}" is not for "{described}"')
    return described
