"""Logs of requests as gateways and SDKs write them, JSONL or CSV, read line by line: which fields
hold the tokens and the time, and which lines can't be used."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, BinaryIO

from comparator.usage import Request
from pricebook.errors import ConfigError

MOST_BAD = Decimal("0.05")
"""The share of lines that may be bad; beyond it the fields are likely misunderstood."""

LONGEST_LINE = 16 * 2**20
"""Bytes: a log may hold whole prompts, but memory is bounded."""

MOST_TOKENS = 10**8
"""Of one request; more is a sum over requests, or another unit."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Dotted names of a row's figures.

    `beside` are input tokens that `input` doesn't count, `more` such output tokens; the first of
    `cached` that is there tells the cached tokens, which are a part of the whole input.
    """

    input: str
    output: str
    cached: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """The user's own names for the fields; None: by the conventions below."""

    input: str | None = None
    output: str | None = None
    cached: str | None = None
    time: str | None = None

    def __post_init__(self) -> None:
        """Refuse half of what it takes."""
        if (self.input is None) != (self.output is None):
            raise ConfigError("give both --input-field and --output-field, or none of them")


# OpenAI's counts have cached tokens within the input, Anthropic's and Bedrock's beside it.
_CONVENTIONS = (
    # OpenAI Chat Completions, and whoever follows: vLLM, SGLang, llama.cpp, OpenRouter, LiteLLM
    # (which adds Anthropic's name for cached tokens, but counts them within), DeepSeek.
    Fields(
        "prompt_tokens",
        "completion_tokens",
        (
            "prompt_tokens_details.cached_tokens",
            "cached_tokens",
            "cache_read_input_tokens",
            "prompt_cache_hit_tokens",
        ),
    ),
    # OpenAI Responses, LangChain, OpenTelemetry; Anthropic, whose two further fields stand beside.
    Fields(
        "input_tokens",
        "output_tokens",
        (
            "input_tokens_details.cached_tokens",
            "input_token_details.cache_read",
            "cache_read_input_tokens",
            "cached_tokens",
        ),
        ("cache_read_input_tokens", "cache_creation_input_tokens"),
    ),
    # Gemini, which counts thoughts apart from the answer.
    Fields(
        "promptTokenCount",
        "candidatesTokenCount",
        ("cachedContentTokenCount",),
        more=("thoughtsTokenCount",),
    ),
    # Bedrock: Converse, and the log of model invocations.
    Fields(
        "inputTokens",
        "outputTokens",
        ("cacheReadInputTokens",),
        ("cacheReadInputTokens", "cacheWriteInputTokens"),
    ),
    Fields(
        "input.inputTokenCount",
        "output.outputTokenCount",
        ("input.cacheReadInputTokenCount",),
        ("input.cacheReadInputTokenCount", "input.cacheWriteInputTokenCount"),
    ),
    # OpenRouter's activity, Langfuse, Azure's public traces.
    Fields("native_tokens_prompt", "native_tokens_completion", ("native_tokens_cached",)),
    Fields("tokens_prompt", "tokens_completion"),
    Fields("promptTokens", "completionTokens"),
    Fields("ContextTokens", "GeneratedTokens"),
)

_PLACES = (
    *("", "usage", "response.usage", "response.body.usage", "body.usage", "message.usage"),
    *("usageMetadata", "response.usageMetadata", "usage_metadata", "output.usage"),
    *("gen_ai.usage", "attributes.gen_ai.usage"),
)
_TIMES = (
    *("timestamp", "created_at", "created", "time", "start_time", "startTime", "createdAt"),
    *("request_created_at", "@timestamp", "ts", "TIMESTAMP", "date", "startTimeUnixNano"),
    *("response.body.created", "response.created_at", "response.created", "body.created"),
)
_SUMS = {"num_model_requests", "n_requests", "num_requests", "request_count"}
_STATES = ("status_code", "status", "response.status_code", "http_status")
_FAILURE = re.compile(r"[45]\d\d|failure|failed|error")
_UNIX = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))
"""Beyond what a time since 1970 would be past the year 5000, and the fractions of a second that it
counts below."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
_TOO_LONG = b"\0"
_DECODER = json.JSONDecoder(parse_float=Decimal)


class _Bad(Exception):
    """Why an entry can't be used; `detail` is of this one alone."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


@dataclass(slots=True)
class Bad:
    """Entries that can't be used for one reason: how many, and the number of the first of them."""

    reason: str
    first: int
    detail: str
    entries: int = 0

    def __str__(self) -> str:
        return f"{self.entries} can't be used, the first is number {self.first}: {self.reason}" + (
            f" ({self.detail})" if self.detail else ""
        )


@dataclass(slots=True)
class Log:
    """What became of the entries of a log, filled while `requests` runs.

    `failed` requests have an error and no tokens; `bad` are the entries that can't be used.
    """

    names: Names = Names()
    entries: int = 0
    failed: int = 0
    bad: dict[str, Bad] = field(default_factory=dict)
    _found: tuple[str, Fields] | None = None

    def requests(self, rows: Iterable[Mapping[str, Any] | str]) -> Iterator[Request]:
        """The requests among the rows; a row that is a text says why it couldn't be read.

        Raises ConfigError after the last one when more than `MOST_BAD` of them are bad.
        """
        for row in rows:
            self.entries += 1
            try:
                request = self._request(row)
            except _Bad as bad:
                one = Bad(str(bad), self.entries, bad.detail)
                self.bad.setdefault(one.reason, one).entries += 1
                continue
            if request:
                yield request
        if sum(one.entries for one in self.bad.values()) > self.entries * MOST_BAD:
            told = "; ".join(map(str, self.bad.values()))
            raise ConfigError(f"too much of the log is bad, of {self.entries} entries {told}")

    def _request(self, row: Mapping[str, Any] | str) -> Request | None:
        """One request, or None for one that failed."""
        if isinstance(row, str):
            raise _Bad(row)
        for name in _SUMS & row.keys():
            if row[name] not in (None, "", 1, "1"):
                raise _Bad(f"it is a sum over requests ({name}), which tells no lengths")
        place = self._place(row)
        if place is None:
            if _has_failed(row):
                self.failed += 1
                return None
            raise _Bad("no input and output tokens are known in it; name them by flags", _keys(row))
        tokens = self._tokens(row, *place)
        return Request(*tokens, at=self._time(row))

    def _place(self, row: Mapping[str, Any]) -> tuple[str, Fields] | None:
        """Where in the row its tokens are; the place of the row before is tried first."""
        if self.names.input or self.names.output:
            found = ("", Fields(self.names.input or "", self.names.output or ""))
            return found if _there(row, *found) else None
        if self._found and _there(row, *self._found):
            return self._found
        places = ((place, fields) for fields in _CONVENTIONS for place in _PLACES)
        self._found = next((each for each in places if _there(row, *each)), self._found)
        return self._found if self._found and _there(row, *self._found) else None

    def _tokens(
        self, row: Mapping[str, Any], place: str, fields: Fields
    ) -> tuple[int, int, int | None]:
        def count(name: str) -> int | None:
            return _count(name, find(row, _at(place, name)))

        entire = count(fields.input) or 0
        entire += sum(count(name) or 0 for name in fields.beside)
        output = (count(fields.output) or 0) + sum(count(name) or 0 for name in fields.more)
        if self.names.cached:
            cached = _count(self.names.cached, find(row, self.names.cached))
        else:
            cached = next((each for each in map(count, fields.cached) if each is not None), None)
        if cached is not None and cached > entire:
            raise _Bad("more cached tokens than input tokens")
        return entire, output, cached

    def _time(self, row: Mapping[str, Any]) -> datetime | None:
        names = (self.names.time,) if self.names.time else _TIMES
        found = (find(row, name) for name in names)
        value = next((each for each in found if each not in (None, "")), None)
        return None if value is None else _instant(value)


def find(row: Mapping[str, Any], name: str) -> Any:
    """The value at a dotted name, which may also be a name with dots in it; None when absent."""
    if name in row:
        return row[name]
    head, dot, rest = name.partition(".")
    inner = row.get(head) if dot else None
    return find(inner, rest) if isinstance(inner, dict) else None


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """The log's bytes; `-` is standard input."""
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    with file.open("rb") as stream:
        yield stream


def rows_of(stream: BinaryIO, form: str | None, name: str) -> Iterator[Mapping[str, Any] | str]:
    """The rows of a log; `form` is jsonl, csv, or None: JSONL where it begins with a brace."""
    lines = _lines(stream)
    first = next(lines, b"")
    if not first:
        raise ConfigError(f"{name} is empty")
    begin = first.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if begin == b"[" and form != "csv":
        raise ConfigError(f"{name} is one JSON document; write one line a request (jq -c '.[]')")
    if form == "jsonl" or (form is None and begin == b"{"):
        return map(_json, _with(first, lines))
    return _csv(_with(first, lines))


def _with(first: bytes, lines: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from lines


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Lines that aren't blank, none longer than the limit: the rest of such a one is dropped."""
    while line := stream.readline(LONGEST_LINE):
        rest = line
        while len(rest) == LONGEST_LINE and not rest.endswith(b"\n"):
            rest, line = stream.readline(LONGEST_LINE), _TOO_LONG
        if line.strip():
            yield line


def _json(line: bytes) -> Mapping[str, Any] | str:
    if line is _TOO_LONG:
        return f"it is longer than {LONGEST_LINE // 2**20} MiB"
    try:
        row = _DECODER.decode(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return "it is not JSON"
    return row if isinstance(row, dict) else "it is no JSON object"


def _csv(lines: Iterator[bytes]) -> Iterator[Mapping[str, Any] | str]:
    first = next(lines)
    separator = max(b",;\t", key=first.count)
    texts = (line.decode("utf-8-sig", "replace") for line in _with(first, lines))
    reader = csv.reader(texts, delimiter=chr(separator))
    rows = iter(lambda: _cells(reader), None)
    header = next(rows, "")
    names = header if isinstance(header, str) else [cell.strip() for cell in header]
    for cells in rows:
        if isinstance(cells, str) or isinstance(names, str):
            yield f"it is no CSV ({cells if isinstance(cells, str) else names})"
        elif len(cells) != len(names):
            yield "its cells don't fit the header"
        else:
            yield dict(zip(names, cells, strict=True))


def _cells(reader: Iterator[list[str]]) -> list[str] | str | None:
    """The next row, why it is none, or None at the end."""
    try:
        return next(reader, None)
    except csv.Error as error:
        return str(error)


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _there(row: Mapping[str, Any], place: str, fields: Fields) -> bool:
    """Whether the row has both counts; one that is null is as good as absent."""
    both = (find(row, _at(place, name)) for name in (fields.input, fields.output) if name)
    return all(value not in (None, "") for value in both)


def _keys(row: Mapping[str, Any]) -> str:
    # What is no name may be anything, and must not speak to the terminal.
    return f"it has {', '.join(repr(name)[1:-1] for name in list(row)[:12])}"[:200]


def _has_failed(row: Mapping[str, Any]) -> bool:
    if any(find(row, name) not in (None, "", False) for name in ("error", "response.error")):
        return True
    states = (str(find(row, name)) for name in _STATES)
    return any(_FAILURE.fullmatch(state) for state in states)


def _count(name: str, value: Any) -> int | None:
    """A whole number of tokens; None when there is none."""
    if value is None or value == "":
        return None
    if type(value) is int and 0 <= value <= MOST_TOKENS:
        return value
    try:
        number = Decimal(value) if isinstance(value, int | str | Decimal) else None
    except InvalidOperation:
        number = None
    if number is None or isinstance(value, bool) or not number.is_finite():
        raise _Bad(f"{name} is no number")
    if not 0 <= number <= MOST_TOKENS or number != number.to_integral_value():
        raise _Bad(f"{name} is no number of tokens of one request")
    return int(number)


def _instant(value: Any) -> datetime:
    try:
        at = _unix(value) or datetime.fromisoformat(str(value).strip().removesuffix(" UTC"))
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        at = datetime.min.replace(tzinfo=UTC)
    if not _EARLIEST <= at < _LATEST:
        raise _Bad("its time is none between 2000 and 2100")
    return at


def _unix(value: Any) -> datetime | None:
    """A time in seconds, milliseconds, microseconds or nanoseconds since 1970, or None."""
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError, TypeError):
        return None
    for limit, fraction in _UNIX:
        if 0 <= number < limit:
            return _EPOCH + timedelta(microseconds=int(number * 10**6 / fraction))
    raise ValueError("no time")
