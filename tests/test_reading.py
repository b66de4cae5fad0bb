"""Tables, money and units as they stand on price pages."""

from __future__ import annotations

from decimal import Decimal

import pytest
from bs4 import BeautifulSoup

from pricebook.errors import DocumentRefused
from scraper.reading import (
    Cell,
    Table,
    Unreadable,
    cell_of,
    html_contents,
    html_tables,
    leading_money,
    leading_usd,
    markdown_contents,
    markdown_tables,
    unit,
    unit_in,
    usd,
)


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in table.rows]


def html_cell(inner: str) -> Cell:
    [table] = html_tables(f"<table><tr><th>a</th></tr><tr><td>{inner}</td></tr></table>")
    return table.rows[0].cells[0]


def markdown_cell(inner: str) -> Cell:
    [table] = markdown_tables(f"| a |\n|---|\n| {inner} |")
    return table.rows[0].cells[0]


def test_an_element_that_is_no_table_is_read_like_a_cell() -> None:
    """Each block in it is a line, and spans of one line stay together."""
    soup = BeautifulSoup("<div>Input<div><b>$</b><i>15</i> / MTok</div></div>", "html.parser")

    assert ["Input", "$15 / MTok"] == cell_of(soup).lines


def test_passages_are_the_prose_between_headings_and_tables() -> None:
    """Each knows its sections; lists give lines, and what is struck or a footnote is marked."""
    html = (
        "<h1>A</h1><p>One <b>two</b></p><h2>B</h2><ul><li>$9<sup>1</sup></li>"
        "<li><del>$8</del> $7</li></ul><table><tr><th>a</th></tr></table><p>three</p>"
    )
    markdown = "# A\nOne two\n## B\n$9<sup>1</sup>\n<del>$8</del> $7\n\n| a |\n|---|\n\nthree\n"
    expected = [(["A"], "One two"), (["A", "B"], "$9^1^\n~~$8~~ $7"), (["A", "B"], "three")]

    for contents in (html_contents(html), markdown_contents(markdown)):
        assert expected == [
            ([section.title for section in passage.sections], passage.text)
            for passage in contents.passages
        ]
        assert [("a",)] == [table.columns for table in contents.tables]


# --- HTML ---------------------------------------------------------------------------------------


def test_rows_are_keyed_by_header() -> None:
    """A row gives each cell by the name of its column."""
    [table] = html_tables(
        "<table><thead><tr><th>Model</th><th>Input</th></tr></thead>"
        "<tbody><tr><td>m1</td><td>$1</td></tr></tbody></table>"
    )

    assert ("Model", "Input") == table.columns
    assert ("m1", "$1") == (table.rows[0].label, table.rows[0]["Input"].text)
    assert [("Model", "m1"), ("Input", "$1")] == [
        (name, cell.text) for name, cell in table.rows[0].items()
    ]


def test_a_column_asked_for_must_be_there_once() -> None:
    """A missing header and one that is there twice are both unreadable."""
    [table] = markdown_tables("| Model | Input | Input |\n|---|---|---|\n| m1 | $1 | $2 |")

    for column in ("Input", "Output"):
        with pytest.raises(Unreadable, match="columns are called"):
            table.rows[0][column]


def test_spanning_cells_fill_the_grid() -> None:
    """Rowspan and colspan repeat a cell wherever it reaches; rowspan 0 reaches the end."""
    [table] = html_tables(
        "<table><tr><th>a</th><th>b</th><th>c</th></tr>"
        '<tr><td rowspan="0">x</td><td colspan="2">1</td></tr>'
        "<tr><td>2</td><td>3</td></tr><tr><td>4</td><td>5</td></tr></table>"
    )

    assert [["x", "1", "1"], ["x", "2", "3"], ["x", "4", "5"]] == texts(table)


@pytest.mark.parametrize(
    "torn", ["<td>Input</td>(cache hit)<td>$1</td>", "<td>Input</td><b>$1</b>", "Input<td>$1</td>"]
)
def test_text_between_cells_makes_a_row_ragged(torn: str) -> None:
    """It was torn from one of them, which says less than the page did."""
    [table] = html_tables(
        f"<table><tr><th>a</th><th>b</th></tr><tr>{torn}</tr>"
        "<tr> <td>Output</td> <td>$2</td> </tr></table>"
    )

    assert ([["Output", "$2"]], [1]) == (texts(table), [len(cells) for cells in table.ragged])


def test_an_absurd_span_does_no_harm() -> None:
    """A hostile colspan makes a ragged row, not a hundred million cells."""
    [table] = html_tables(
        '<table><tr><th>a</th></tr><tr><td colspan="99999999">1</td></tr></table>'
    )

    assert [200] == [len(cells) for cells in table.ragged]


def test_two_header_rows_make_one_name() -> None:
    """The column below "Long context" and "Input" is called by both."""
    [table] = html_tables(
        '<table><thead><tr><th rowspan="2">Model</th><th colspan="2">Long context</th></tr>'
        "<tr><th>Input</th><th>Output</th></tr></thead>"
        "<tbody><tr><td>m1</td><td>$1</td><td>$2</td></tr></tbody></table>"
    )

    assert ("Model", "Long context › Input", "Long context › Output") == table.columns


def test_footnote_marks_of_a_header_are_kept() -> None:
    """A footnote of a column is a footnote of all its cells."""
    html = "<table><tr><td>Model</td><td>A<sup>(1)</sup></td></tr><tr><td>x</td><td>$1</td></tr>"
    (table,) = html_tables(f"{html}</table>")

    assert (("Model", "A"), ("", "(1)")) == (table.columns, table.notes)


def test_where_there_is_a_thead_it_alone_is_the_header() -> None:
    """A group row of <th> in the body is no second header."""
    [table] = html_tables(
        "<table><thead><tr><th>a</th></tr></thead><tr><th>Old models</th></tr></table>"
    )

    assert (("a",), [["Old models"]]) == (table.columns, texts(table))


def test_a_page_nested_without_end_is_refused() -> None:
    """A hostile page costs an error message, not the process."""
    with pytest.raises(DocumentRefused, match="nested too deeply"):
        html_tables("<b>" * 5000)


def test_a_first_row_of_plain_cells_is_the_header() -> None:
    """Tables without <th> exist."""
    [table] = html_tables("<table><tr><td>Model</td></tr><tr><td>m1</td></tr></table>")

    assert (("Model",), [["m1"]]) == (table.columns, texts(table))


def test_rows_that_do_not_fit_are_kept_apart() -> None:
    """Too few or too many cells: none of them belongs to a column for certain."""
    [table] = html_tables(
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td></tr>"
        "<tr><td>1</td><td>2</td><td>3</td></tr><tr><td>1</td><td>2</td></tr></table>"
    )

    assert [["1", "2"]] == texts(table)
    assert [1, 3] == [len(cells) for cells in table.ragged]


def test_tables_know_their_sections() -> None:
    """A heading closes the sections of its own level and below, so that no tier is inherited."""
    first, second = html_tables(
        "<h1>Prices</h1><h2 id='one'>Model one</h2><p><code>m1</code></p><h3>Batch</h3>"
        "<table><tr><th>a</th></tr></table>"
        "<h2>Model two</h2><table><tr><th>a</th></tr></table>"
    )

    assert ("Prices", "Model one", "Batch") == first.headings
    assert ("one", "`m1`") == (first.sections[1].anchor, first.sections[1].prose)
    assert (("Prices", "Model two"), "Model two") == (second.headings, second.heading)


def test_tables_know_the_prose_around_them() -> None:
    """The words before and after reach to the next heading or table."""
    first, second = html_tables(
        "<p>Not this.</p><h2>Fast</h2><p>For <b>Opus</b>:</p><table><tr><th>a</th></tr></table>"
        "<p>Between.</p><table><tr><th>a</th></tr></table><ul><li>one</li><li>two</li></ul><h2>B</h2>"
    )

    assert ("For Opus:", "Between.") == (first.before, first.after)
    assert ("Between.", "one\ntwo") == (second.before, second.after)


def test_layout_tables_are_looked_into() -> None:
    """A table that only holds another one is no table of its own."""
    [table] = html_tables(
        "<table><tr><td><table><tr><th>a</th></tr><tr><td>1</td></tr></table></td></tr></table>"
    )

    assert [["1"]] == texts(table)


def test_scripts_and_comments_are_not_text() -> None:
    """What a reader can't see is no part of a cell."""
    assert Cell("$1") == html_cell("<!-- $9 --><script>$8</script><style>$7</style>$1")


def test_streamed_parts_are_put_in_place() -> None:
    """A placeholder of React is filled with the part that came later."""
    [table] = html_tables(
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><template id='P:2'></template></tr>"
        "<template id='P:3'></template></table>"
        "<div hidden><table><tbody><tr id='S:2'><td>2</td></tr></tbody></table></div>"
        "<div hidden><table><tbody id='S:3'><tr><td>3</td><td>4</td></tr></tbody></table></div>"
    )[:1]

    assert [["1", "2"], ["3", "4"]] == texts(table)


def test_rows_that_never_arrived_are_not_forgotten() -> None:
    """A placeholder without its part is a row of no cells."""
    [table] = html_tables(
        "<table><tr><th>a</th></tr><tr><td>1</td></tr><template id='P:2'></template></table>"
    )

    assert ([["1"]], ((),)) == (texts(table), table.ragged)


@pytest.mark.parametrize("read", [html_cell, markdown_cell])
@pytest.mark.parametrize(
    ("inner", "cell"),
    [
        ("$1<br>$2", Cell("$1\n$2")),
        ("$1<hr />$2", Cell("$1\n$2")),
        ("$5<sup>1</sup>", Cell("$5", note="1")),
        ("$2 <del>$4</del>", Cell("$2", struck="$4")),
        ("$2 <s>$4</s>", Cell("$2", struck="$4")),
        ('<span style="text-decoration: line-through">$4</span>', Cell("", struck="$4")),
        ('<span class="line-through">$4</span> $2', Cell("$2", struck="$4")),
        ("$5&nbsp;/\u200b\u202fMTok", Cell("$5 / MTok")),
        ("prompts <= 200k", Cell("prompts <= 200k")),
        ("prompts &lt; 200k", Cell("prompts < 200k")),
        ("<code>auto</code>, <a href='/x'>docs</a>", Cell("auto, docs")),
    ],
)
def test_a_cell_says_what_a_reader_sees(read: object, inner: str, cell: Cell) -> None:
    """Breaks are newlines, struck-through text and footnote marks are no part of the text."""
    assert callable(read)
    assert cell == read(inner)


def test_blocks_in_a_cell_do_not_run_together() -> None:
    """Two paragraphs of prices are two lines."""
    assert ["$2", "$4"] == html_cell("<p>$2</p><p>$4</p>").lines
    assert ["$2", "$4"] == html_cell("$2<div>$4</div>").lines


# --- markdown -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inner", "cell"),
    [
        (r"\$3 / MTok", Cell("$3 / MTok")),
        (r"prompts \<= 200k", Cell("prompts <= 200k")),
        (r"prompts \> 200k \| all", Cell("prompts > 200k | all")),
        ("$5[^1]", Cell("$5", note="1")),
        ("~~$4~~ $2", Cell("$2", struck="$4")),
        ("**$0.705**", Cell("$0.705")),
        ("$0.5*", Cell("$0.5*")),
        ("`auto`, `none`", Cell("auto, none")),
        ("Opus 3 ([deprecated](/docs/models))", Cell("Opus 3 (deprecated)")),
        ("[a (b)](/c_(d)) e", Cell("a (b) e")),
        ("gpt_4_o", Cell("gpt_4_o")),
        ("", Cell("")),
    ],
)
def test_a_markdown_cell_says_what_a_reader_sees(inner: str, cell: Cell) -> None:
    """Escapes, emphasis, code marks and links are taken off, names with underscores kept."""
    assert cell == markdown_cell(inner)


def test_markdown_tables_need_no_outer_pipes() -> None:
    """`a | b` over `---|---` is a table; a line of dashes is not."""
    [table] = markdown_tables("Title\n---\n\na | b\n---|:-:\n1 | 2\n\nno | table\n")

    assert (("a", "b"), [["1", "2"]]) == (table.columns, texts(table))


def test_code_blocks_hold_no_tables_and_no_headings() -> None:
    """A comment in a shell example is no heading."""
    [table] = markdown_tables(
        "# Prices\n```sh\n# run\n| x |\n|---|\n```\n~~~\n## y\n```\n~~~\n| a |\n|---|\n| 1 |"
    )

    assert (("Prices",), ("a",)) == (table.headings, table.columns)


def test_prose_that_sticks_to_a_header_is_no_column() -> None:
    """An export may lose the line break before a table; the ruler tells how many columns it has."""
    [table] = markdown_tables("Per 1M tokens.| Model | Input |\n|---|---|\n| m1 | $1 |")
    assert (("Model", "Input"), "Per 1M tokens.") == (table.columns, table.before)

    [table] = markdown_tables("| Per 1M tokens. | Model | Input |\n|---|---|\n| m1 | $1 |")
    assert ("Per 1M tokens.", "Model", "Input") == table.columns


def test_the_first_row_is_the_header_of_a_table_whose_header_is_empty() -> None:
    """Exports give tables without a header one of empty cells; HTML's first row is read so too."""
    [table] = markdown_tables("|  |  |\n|---|---|\n| Model | Input |\n| m1 | $1 |")

    assert ("Model", "Input") == table.columns
    assert ["m1"] == [row.label for row in table.rows]


def test_markdown_headings_lose_their_marks() -> None:
    """Anchors before or behind a title are its anchor, not its text."""
    one, two = markdown_tables(
        "# [\u200b](#model-pricing) Model `pricing`\n| a |\n|---|\n"
        "# Batch {#batch} #\n| a |\n|---|\n"
    )

    assert ("Model pricing", "model-pricing") == (one.heading, one.sections[0].anchor)
    assert ("Batch", "batch") == (two.heading, two.sections[0].anchor)


def test_a_heading_may_stand_on_the_line_below_its_marks() -> None:
    """Some converters break it; a table, another heading or nothing below is no title."""
    one, two = markdown_tables(
        "## \nModel pricing\na | b\n---|---\n1 | 2\n## \n| c |\n|---|\n| 3 |\n"
    )

    assert (("Model pricing",), ("",)) == (one.headings, two.headings)


def test_markdown_rows_that_do_not_fit_are_kept_apart() -> None:
    """A row is never padded: the missing cell may be any of them."""
    [table] = markdown_tables("| a | b |\n|---|---|\n| 1 |\n| 1 | 2 | 3 |\n| 1 | |\n")

    assert ([["1", ""]], [1, 3]) == (texts(table), [len(cells) for cells in table.ragged])


def test_rows_that_lost_their_header_are_not_forgotten() -> None:
    """Rows below no header are a table without columns, to be set aside and not overlooked."""
    [table] = markdown_tables("## A\n\n| m1 | $1 |\n| m2 | $2 |\n\n| no table\n")

    assert ("A", (), 2) == (table.heading, table.columns, len(table.ragged))


def test_both_forms_give_the_same_table() -> None:
    """A page in HTML and its markdown twin are one table, prose and sections included."""
    html = html_tables(
        "<h2>Fast</h2><p>For <a href='/x'>Opus</a> and <code>m1</code>:</p>"
        "<table><tr><th>Model</th><th>In<br>put</th></tr><tr><td>m1</td><td>$1</td></tr></table>"
        "<p>After.</p>"
    )
    markdown = markdown_tables(
        "## Fast\n\n<Note>\nFor [Opus](/x) and `m1`:\n</Note>\n\n"
        "| Model | In<br />put |\n|:--|--:|\n| m1 | $1 |\n\nAfter.\n"
    )

    assert html == markdown


# --- money and units ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("$5", "5"),
        ("$0.075", "0.075"),
        ("$.50", "0.5"),
        ("$1,234.50", "1234.5"),
        ("$ 5", "5"),
        ("US$5", "5"),
        ("USD 5", "5"),
        ("$5 USD", "5"),
        ("\u00a0$5\u00a0", "5"),
        ("$0", "0"),
    ],
)
def test_dollars_are_read_exactly(text: str, amount: str) -> None:
    """Amounts are decimal, with or without thousands separators."""
    assert Decimal(amount) == usd(text)


@pytest.mark.parametrize(
    "text",
    ["", "5", "€5", "¥5", "CA$5", "$0,50", "$0,099", "$1.000.50", "$1,00", "$5*", "$5¹", "$5K",
     "$5-$7", "$-5", "-$5", "Free", "-", "$", "$٣"],
)  # fmt: skip
def test_what_is_not_dollars_is_refused(text: str) -> None:
    """No currency is assumed, and no figure is cut out of a longer one."""
    with pytest.raises(Unreadable):
        usd(text)


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("$0.28 (75% off)", ("USD", Decimal("0.28"), "(75% off)")),
        ("0.02元", ("CNY", Decimal("0.02"), "")),
        ("1,000 元 / 百万", ("CNY", Decimal(1000), "/ 百万")),
        ("¥0.70", ("CNY", Decimal("0.70"), "")),
        ("￥4元", ("CNY", Decimal(4), "")),
    ],
)
def test_dollars_and_yuan_are_told_apart(text: str, money: tuple[str, Decimal, str]) -> None:
    """`leading_money` knows the currency by its sign, before or behind the figure."""
    assert money == leading_money(text)


@pytest.mark.parametrize(
    "text", ["5", "€5", "5 万元", "0.2.1元", "0,099元", "1,00元", "元", "about ¥5"]
)
def test_what_is_neither_dollars_nor_yuan_is_refused(text: str) -> None:
    """A figure without a currency that is known gives no amount."""
    with pytest.raises(Unreadable):
        leading_money(text)


def test_an_amount_may_be_followed_by_its_unit() -> None:
    """`leading_usd` hands back what stands behind the amount."""
    assert (Decimal("0.5"), "/ MTok") == leading_usd("$0.50\u00a0/ MTok")


@pytest.mark.parametrize(
    ("phrase", "name", "price_of_2"),
    [
        ("/ MTok", "mtok", "2"),
        ("per 1M tokens", "mtok", "2"),
        ("/1M input tokens", "mtok", "2"),
        ("1M INPUT TOKENS", "mtok", "2"),
        ("per million tokens", "mtok", "2"),
        ("/ 1,000,000 tokens", "mtok", "2"),
        ("/ 1K tokens", "mtok", "2000"),
        ("/\u00a01K\u00a0tokens", "mtok", "2000"),
        ("per 1,000 tokens", "mtok", "2000"),
        ("per token", "mtok", "2000000"),
        ("/ 1,000,000 tokens per hour", "mtok_hour", "2"),
        ("per 1M characters", "mchar", "2"),
        ("/ hour", "hour", "2"),
        ("per session-hour", "hour", "2"),
        ("/min", "minute", "2"),
        ("per second", "second", "2"),
        ("/image", "image", "2"),
        ("per 1K pages", "page", "0.002"),
        ("per request", "request", "2"),
        ("per 1,000 searches", "kreq", "2"),
        ("/ 1,000 grounded prompts", "kreq", "2"),
        ("/ 1k calls", "kreq", "2"),
        ("per 1M requests", "kreq", "0.002"),
        ("/ GB per day", "gb_day", "2"),
        ("per video", "video", "2"),
        ("/ use", "request", "2"),
    ],
)
def test_units_are_read_from_their_words(phrase: str, name: str, price_of_2: str) -> None:
    """A figure of 2 in each of these units is this much in ours."""
    found = unit(phrase)

    assert (name, Decimal(price_of_2)) == (found.name, found.price(Decimal(2)))


@pytest.mark.parametrize(
    "phrase",
    ["", "/ BTok", "per 10 tokens", "per 1B tokens", "per 1M tokens per day", "/1M", "per 1K image",
     "per image hour", "/ MTok*", "per widget", "/ minute per hour", "1,5 tokens", "2M tokens"],
)  # fmt: skip
def test_unknown_units_are_refused(phrase: str) -> None:
    """A unit is never guessed from a part of its words; `1K image` is a size, not a count."""
    with pytest.raises(Unreadable):
        unit(phrase)


@pytest.mark.parametrize(
    ("sentence", "name", "count", "printed"),
    [
        ("Prices per 1M tokens.", "mtok", 10**6, "per 1M tokens"),
        ("Paid Tier, per 1M tokens in USD", "mtok", 10**6, "per 1M tokens"),
        ("Price (/1K tokens) <= 200K input tokens", "mtok", 1000, "/1K tokens"),
        ("Storage costs $4.50 / 1M tokens per hour", "mtok_hour", 10**6, "/ 1M tokens per hour"),
    ],
)
def test_a_sentence_names_a_unit(sentence: str, name: str, count: int, printed: str) -> None:
    """The unit of a table often stands in its header or in the text beside it."""
    found = unit_in(sentence)

    assert (name, count, printed) == (found.name, found.count, found.printed)


@pytest.mark.parametrize(
    "sentence",
    ["Prices in USD", "$1 / hour or $2 / minute", "per 1M tokens, was per 1K tokens",
     "prompts of 1M tokens", "per 1M tokens per day"],
)  # fmt: skip
def test_a_sentence_with_no_unit_or_two_is_refused(sentence: str) -> None:
    """Which of two units holds can't be known."""
    with pytest.raises(Unreadable):
        unit_in(sentence)
