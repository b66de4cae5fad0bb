"""Whether the rows of Google Cloud's tables stand below the models that they are for.

A model's name reaches over the rows below it, by a `rowspan` or by cells left blank. Once rows are
lost, added or in another order, prices seem to be those of another model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from scraper.reading import Cell, Table, Unreadable
from scraper.vertex_page import MODEL_COLUMNS, Row, all_rows, inherits_models
from scraper.vertex_table import Kind


def disorder(table: Table) -> str:
    """Why nobody can tell the models of a table's rows, or ""."""
    if _names_are_apart(table):
        return "rows stand away from the name of their model"
    if "Output" in table.columns and _are_alike(table):
        return "rows that no column tells apart"
    if not inherits_models(table) or all(name for name, _ in _rows(table)):
        return ""
    if table.ragged and "Region" in table.columns:
        return "a row doesn't fit the columns, and others take their model from the row above"
    if not next(_rows(table))[0]:
        return "the first row names no model"
    doubtful = doubtful_models(table)
    is_all = doubtful == {name for name, _ in _rows(table) if name}
    return "rows without a model are there twice" if len(doubtful) > 1 or is_all else ""


def doubtful_models(table: Table) -> set[str]:
    """The models with two rows for the same: one may be of a model whose name is lost or cut."""
    if not inherits_models(table):
        return set()
    said: Counter[tuple[object, ...]] = Counter()
    model, types = "", ""
    for name, labels in _rows(table):
        model = name or model
        types = labels.get("Type") or ("" if name else types)
        region = labels.get("Region", "")
        said.update((model, region, *what) for line in types.split("\n") for what in _parts(line))
    return {str(model) for (model, *_), times in said.items() if times > 1}


def _parts(line: str) -> list[tuple[object, ...]]:
    """What a type is for, each modality apart: two rows for one modality are for two models."""
    try:
        kind = Kind.of(line)
    except Unreadable:
        return [(line,)]
    modalities = (kind.modality or "").split("+")
    return [(kind.meter, kind.tiers, kind.cache_ttl, modality) for modality in modalities]


def is_cut(row: Row) -> bool:
    """Whether a row lacks a cell, and nobody knows which: the prices behind it moved.

    Models without a price in the last columns leave those cells out in all tables of the kind.
    """
    if len(row.labels) + len(row.prices) == len(row.table.columns) or not row.prices:
        return False
    alike = [table for table in row.page.tables if table.columns == row.table.columns]
    whole = {(name, labels.get("Feature")) for table in alike for name, labels in _rows(table)}
    return len(row.prices) > 1 or (row.name, row.labels.get("Feature")) in whole


def _are_alike(table: Table) -> bool:
    """Whether two rows that say what they are for in words are for the same, or partly so."""
    said = Counter(
        (name, labels.get("Feature"), labels.get("Output"), size)
        for names, labels in _rows(table)
        for name in names.split(", ")
        for size in labels.get("Output Resolution", "").split(", ")
    )
    return max(said.values(), default=0) > 1


def _rows(table: Table) -> Iterator[tuple[str, dict[str, str]]]:
    """The own name of each row that fits the columns, and its cells."""
    for row in table.rows:
        labels = {header: cell.text for header, cell in row.items()}
        name = next(labels[column] for column in MODEL_COLUMNS if column in labels)
        yield " ".join(name.split()), labels


def _names_are_apart(table: Table) -> bool:
    """Whether names that have rows of their own reach too far, and others not far enough."""
    names = {cells[0].text for cells in table.ragged if len(cells) == 1}
    if not names:
        return False
    nameless = sum(_is_nameless(cells, names) for cells in all_rows(table))
    reached = any(len(cells) > 1 and cells[1].text in names for cells in all_rows(table))
    return nameless > 1 or bool(nameless and reached)


def _is_nameless(cells: Sequence[Cell], names: set[str]) -> bool:
    """Whether a row begins with its type, and no name was pushed behind that."""
    try:
        Kind.of(cells[0].text)
    except Unreadable:
        return False
    return len(cells) > 1 and cells[1].text not in names
