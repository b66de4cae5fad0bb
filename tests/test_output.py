"""How rows are written: for people aligned and whole, for programs in one exact form each."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from breakeven.output import Format, Shape, clean, output_options, table, width, write_rows

SHAPE = Shape(columns=("model", "price"), fields=("model", "amount", "qualifiers"))
ROWS: list[dict[str, Any]] = [
    {"model": "gpt-4", "amount": "30", "qualifiers": {"service_tier": "batch"}, "price": "30"},
    {"model": "=cmd()", "amount": None, "qualifiers": {}, "price": "withdrawn"},
]


def written(*options: str, rows: list[dict[str, Any]] = ROWS) -> Result:
    @click.command()
    @output_options
    def show(form: Format) -> None:
        shown = rows if form.kind == "table" else [_without_price(row) for row in rows]
        write_rows(shown, SHAPE, form, empty="there is none")

    return CliRunner().invoke(show, list(options))


def _without_price(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in SHAPE.fields}


def test_table_is_aligned() -> None:
    """Words stand to the left, figures to the right, also where one of them is withdrawn."""
    assert "model       price\ngpt-4          30\n=cmd()  withdrawn\n" == written().stdout


def test_table_without_header() -> None:
    """`--no-headers` leaves the rows."""
    assert "gpt-4          30\n=cmd()  withdrawn\n" == written("--no-headers").stdout


def test_lines_below_a_row() -> None:
    """What is too long for a column stands under its row, whole."""
    rows = [ROWS[0] | {"below": ["because " + "x" * 200, "a\nb"]}, ROWS[1]]
    lines = written(rows=rows).stdout.splitlines()
    assert ["    because " + "x" * 200, "    a b"] == lines[2:4]
    assert lines[4].startswith("=cmd()")


def test_json_is_an_array() -> None:
    """`--json` gives one array with every field."""
    assert [_without_price(row) for row in ROWS] == json.loads(written("--json").stdout)


def test_json_is_written_as_one_document_would_be() -> None:
    """Row by row, and not to be told from the whole at once; nothing is an empty array."""
    rows = [_without_price(row) for row in ROWS]
    assert json.dumps(rows, indent=1) + "\n" == written("--json").stdout
    assert "[]\n" == written("--json", rows=[]).stdout


@pytest.mark.parametrize("kind", ["json", "nl", "csv"])
def test_programs_get_rows_as_they_come(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A million rows are never held at once: the first are out before the last are there."""
    out = []

    def rows() -> Iterator[dict[str, str]]:
        for number in range(5500):
            yield {"model": f"model-{number}"}
        out.append(capsys.readouterr().out)

    write_rows(rows(), SHAPE, Format(kind))
    out.append(capsys.readouterr().out)
    assert ["model-0" in text for text in out] == [True, False]
    assert ["model-5499" in text for text in out] == [False, True]


def test_nl_is_one_object_a_line() -> None:
    """`--nl` gives an object a line, the same ones as `--json`."""
    lines = written("--nl").stdout.splitlines()
    assert json.loads(written("--json").stdout) == [json.loads(line) for line in lines]


def test_csv_has_the_fields_of_the_shape() -> None:
    """`--csv` names its columns as the fields, nested values are JSON, unknown is empty."""
    rows = list(csv.DictReader(io.StringIO(written("--csv").stdout)))
    assert list(SHAPE.fields) == list(rows[0])
    assert {"service_tier": "batch"} == json.loads(rows[0]["qualifiers"])
    assert "" == rows[1]["amount"]


@pytest.mark.parametrize("cell", ["=cmd()", "+1+1", "@SUM(A1)", "-x", "\tx"])
def test_csv_holds_no_formula(cell: str) -> None:
    """A text from a page that a spreadsheet would run is quoted."""
    row = ROWS[0] | {"model": cell}
    found = list(csv.DictReader(io.StringIO(written("--csv", rows=[row]).stdout)))
    assert f"'{cell}" == found[0]["model"]


def test_csv_keeps_negative_numbers() -> None:
    """A figure below zero is no formula."""
    found = list(
        csv.DictReader(io.StringIO(written("--csv", rows=[ROWS[0] | {"amount": "-1.5"}]).stdout))
    )
    assert "-1.5" == found[0]["amount"]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("--json", "[]\n"),
        ("--nl", ""),
        ("--csv", "model,amount,qualifiers\n"),
        ("--no-headers", ""),
    ],
)
def test_nothing_on_stdout_when_empty(option: str, expected: str) -> None:
    """Without rows stdout is an empty answer of its form, and stderr says why."""
    result = written(option, rows=[])
    assert (expected, "there is none\n") == (result.stdout, result.stderr)


def test_one_form_at_a_time() -> None:
    """Two forms at once are a usage error."""
    assert 2 == written("--json", "--csv").exit_code
    assert 0 == written("--json", "--json").exit_code


def test_foreign_text_can_not_move_the_cursor() -> None:
    """Control codes, direction marks and line breaks don't reach a terminal."""
    assert "a[2Jb c d" == clean("a\x1b[2J\u202eb\nc\u2028d")
    assert "x y" == table([["x\ty"]])


def test_width_counts_terminal_columns() -> None:
    """A wide character takes two columns, an accent of its own none."""
    assert [2, 4, 1] == [width("gp"), width("通义"), width("e\u0301")]


def test_empty_table_is_empty() -> None:
    """No rows, no lines."""
    assert "" == table([])
