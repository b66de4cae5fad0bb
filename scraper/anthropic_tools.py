"""Anthropic's prices of tools and of sessions: in sentences, in a table of rates and on cards.

`Web search is available on the Claude API for $10 per 1,000 searches`. A sentence is read when it
has one amount, when it names one tool (or else the line that introduces it, or the heading), and
when each of its words is known to set no condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from pricebook.quote import Quote, Series, SetAside
from scraper.reading import Cell, Contents, Passage, Table, Unreadable, leading_usd, unit

_SELLER = "anthropic"
_PRODUCTS = {
    "web search": "web_search",
    "code execution": "code_execution",
    "session runtime": "managed_agents",
}
_METERS = {
    ("web_search", "kreq"): "search",
    ("web_search", "request"): "search",
    ("code_execution", "hour"): "container",
    ("managed_agents", "hour"): "container",
}


def read(contents: Contents) -> Iterator[Quote | SetAside]:
    """The prices of tools and sessions on the page with tables; what isn't certain is set aside."""
    for passage in contents.passages:
        yield from _read_passage(passage)
    for table in contents.tables:
        if is_of_sessions(table):
            yield from _read_sessions(table)


def _quote(tool: str, price: str, quoted: str, where: str) -> Quote:
    figure, rest = leading_usd(price)
    per = unit(re.sub(r",? per container$", "", rest))
    meter = _METERS.get((tool, per.name))
    if meter is None:
        raise Unreadable(f'"{rest}" is no unit of {tool.replace("_", " ")}')
    series = Series.of(_SELLER, tool, meter, per.name, tool=tool)
    return Quote(series, per.price(figure), quoted, where, rest)


def _named_in(words: str) -> str | None:
    """The tool that a text names; None when it names none, `Unreadable` when several."""
    named = [product for name, product in _PRODUCTS.items() if name in words.lower()]
    if len(named) > 1:
        raise Unreadable(f'"{words}" names {len(named)} tools')
    return named[0] if named else None


# --- sentences ----------------------------------------------------------------------------------

_ABOUT_TOOLS = re.compile(
    r"\btools?\b|\bmanaged agents\b|\bsessions?\b|\bweb search\b|\bcode execution\b", re.IGNORECASE
)
_EXAMPLES = re.compile(r"\bexamples?\b", re.IGNORECASE)
_CURRENCY = re.compile(r"[$€£¥₹] ?[0-9.]|\b(?:USD|EUR|GBP) ?[0-9]|[0-9] ?(?:[€£¥]|EUR\b|GBP\b)")
_RATE = re.compile(r"[0-9](?: ?/ ?| per )(?:1 ?k\b|1,?000\b|search|hour|session|container)", re.I)
_SENTENCE = re.compile(r"([^$]*?)((?:US)?\$[^$]*?)(,? plus (?:standard )?token costs\b[^$]*)?[.:]?")
# Any other word may set a condition: on Bedrock, until May, for batch, from 100,000 searches on.
_HEADING_WORDS = {
    "pricing", "prices", "anthropic", "claude", "api", "feature", "specific", "tool", "tools",
    "use", "code", "execution", "web", "search", "managed", "agents", "tokens", "session",
    "runtime",
}  # fmt: skip
_WORDS = _HEADING_WORDS | {
    "additional", "an", "and", "are", "at", "available", "billed", "by", "charged", "content",
    "cost", "costs", "each", "for", "generated", "incurs", "is", "of", "plus", "price", "priced",
    "searches", "standard", "the", "time", "token", "tracked", "usage",
}  # fmt: skip
_PHRASES = re.compile(
    r"beyond (?:the first )?[0-9,]+ (?:free )?hours|in addition to|on the (?:claude|anthropic) api"
    r"|separately from token usage|triggered inside a session|when used without these tools"
)


def _read_passage(passage: Passage) -> Iterator[Quote | SetAside]:
    headings = " › ".join(section.title for section in passage.sections)
    if _EXAMPLES.search(headings):
        return
    where = passage.sections[-1].title if passage.sections else "Pricing"
    for intro, sentence in _sentences(passage.text):
        is_priced = _CURRENCY.search(sentence) or _RATE.search(sentence)
        if is_priced and _ABOUT_TOOLS.search(f"{headings} {intro} {sentence}"):
            try:
                yield _read_sentence(intro, sentence, headings, where)
            except Unreadable as error:
                yield SetAside(str(error), where, sentence)


def _sentences(prose: str) -> Iterator[tuple[str, str]]:
    """Each sentence, without the marks of lists and emphasis, after the line that introduces it."""
    intro = ""
    for printed in prose.split("\n"):
        line = re.sub(r"^(?:[-+*]|[0-9]+\.) ", "", printed)
        line = re.sub(r"\*\*|[`\\]", "", line).strip()
        sentences = re.split(r"(?<=[.!?]) ", line)
        for sentence in sentences:
            yield intro, sentence
        intro = sentences[-1] if line.endswith(":") else intro


def _read_sentence(intro: str, sentence: str, headings: str, where: str) -> Quote:
    tool = _named_in(sentence) or _named_in(intro) or _named_in(where)
    if tool is None:
        raise Unreadable("names no tool that we know")
    amounts = len(_CURRENCY.findall(sentence))
    found = _SENTENCE.fullmatch(sentence)
    if amounts != 1 or not found:
        raise Unreadable(f"{amounts} amounts instead of one in US dollars")
    _check_words(f"{intro} {found[1]} {found[3] or ''}", _WORDS)
    _check_words(headings, _HEADING_WORDS)
    return _quote(tool, found[2], sentence, where)


def _check_words(text: str, known: Iterable[str]) -> None:
    words = re.findall(r"[^\s.,:()›-]+", _PHRASES.sub("", text.lower()))
    if strange := [word for word in words if word not in known]:
        raise Unreadable(f'"{strange[0]}" may set a condition')


# --- the table of sessions ----------------------------------------------------------------------


def is_of_sessions(table: Table) -> bool:
    """Whether it is the table of what a session of Claude Managed Agents costs beside tokens."""
    return {header.lower() for header in table.columns} == {"sku", "rate", "metering"}


def _read_sessions(table: Table) -> Iterator[Quote | SetAside]:
    by_header = {header.lower(): header for header in table.columns}
    for row in table.rows:
        sku, rate = row[by_header["sku"]].text, row[by_header["rate"]]
        where = f"{table.heading or 'Pricing'} › {sku} › {by_header['rate']}"
        try:
            yield _read_rate(sku, rate, where)
        except Unreadable as error:
            yield SetAside(str(error), where, rate.text)
    for cells in table.ragged:
        reason = f"a row of {len(cells)} cells under {len(table.columns)} columns"
        yield SetAside(reason, table.heading, " | ".join(cell.text for cell in cells))


def _read_rate(sku: str, rate: Cell, where: str) -> Quote:
    if sku.lower() != "session runtime":
        raise Unreadable(f'"{sku}" is nothing of a session that we know')
    if rate.note:
        raise Unreadable(f"footnote {rate.note} may set a condition")
    return _quote("managed_agents", rate.text, rate.text, where)


# --- cards --------------------------------------------------------------------------------------

_CARD_PRICE = re.compile(
    r"\W*[0-9][0-9.,]*\W*(?:/|per\b).*\b(?:searches|search|hours?|containers?)\b.*"
)
_LABELS = ("cost", "additional hours")


def read_cards(lines: Sequence[str]) -> Iterator[Quote | SetAside]:
    """The tools of claude.com/pricing: a name, perhaps a description, a label and an amount."""
    for at, line in enumerate(lines):
        if _CARD_PRICE.fullmatch(line):
            above = lines[max(0, at - 3) : at]
            where = " › ".join(above)
            try:
                yield _read_card(above, line)
            except Unreadable as error:
                yield SetAside(str(error), where, line)


def _read_card(above: Sequence[str], line: str) -> Quote:
    *names, label = above or [""]
    name = next((words for words in names if words.lower() in _PRODUCTS), "")
    if not name or label.lower() not in _LABELS:
        raise Unreadable(f'"{label}" below "{name}" is no price of a tool that we know')
    return _quote(_PRODUCTS[name.lower()], line, line, f"{name} › {label}")
