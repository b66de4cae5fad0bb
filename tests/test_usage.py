"""Usage logs: lengths, cached share, load through time, and the utilisation that follows."""

from __future__ import annotations

import io
import json
import tomllib
import tracemalloc
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from breakeven import usage_log
from breakeven.cli import cli
from breakeven.usage_log import Log, Names, rows_of
from comparator.assumption import ASSUMPTIONS
from comparator.usage import HOUR, PEAK_LOAD, Request, Usage, usage_of
from comparator.workload import Workload
from pricebook.config import TOP, Table
from pricebook.errors import ConfigError

MONDAY = datetime(2026, 10, 5, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WORKLOAD = """
name = "ours"
kind = "inference"
api = { seller = "openai", product = "gpt-4o-mini" }
"""
MACHINE = """
instance = "p5.48xlarge"
hourly = 55.04
tokens_per_second = 30_000
"""


def at(minutes: int, tokens: int = 100) -> Request:
    """A request so many minutes after Monday's midnight."""
    return Request(tokens, 0, at=MONDAY + minutes * MINUTE)


def busy_afternoon(days: int = 7) -> Iterator[Request]:
    """One request an hour, 100 tokens each, and from 14 to 15 o'clock four, 15 minutes apart; at
    the end the one that begins the next day."""
    for day in range(days):
        for hour in range(24):
            for quarter in range(4 if hour == 14 else 1):
                yield at((day * 24 + hour) * 60 + quarter * 15)
    yield at(days * 24 * 60, tokens=0)


def requests_of(*rows: Mapping[str, Any], names: Names | None = None) -> list[Request]:
    return list(Log(names or Names()).requests(rows))


def log_of(text: str | bytes, form: str | None = None) -> tuple[list[Request], Log]:
    """The good requests of a file, followed by enough others that few bad ones are no refusal."""
    data = text if isinstance(text, bytes) else text.encode()
    log = Log()
    good = {"prompt_tokens": 1, "completion_tokens": 1}
    rows: Iterable[Mapping[str, Any] | str] = [*rows_of(io.BytesIO(data), form, "log")]
    found = list(log.requests([*rows, *[good] * 100]))
    return found[:-100], log


def asked(folder: Path, text: str, *options: str) -> Result:
    file = folder / "requests.log"
    file.write_text(text, encoding="utf-8")
    return CliRunner().invoke(cli, ["usage", str(file), *options])


def lines(requests: Iterable[Request]) -> str:
    return "".join(
        json.dumps(
            {
                "created": int(one.at.timestamp()) if one.at else None,
                "usage": {"prompt_tokens": one.input, "completion_tokens": one.output},
            }
        )
        + "\n"
        for one in requests
    )


# Lengths and cache


def test_the_mean_and_percentiles_of_lengths() -> None:
    """Of 1 to 100 tokens the mean is 50.5 and the percentiles are their own ranks."""
    found = usage_of(Request(tokens, 2 * tokens) for tokens in range(1, 101))

    assert (Decimal("50.5"), 50, 90, 99) == (
        found.input.mean,
        found.input.p50,
        found.input.p90,
        found.input.p99,
    )
    assert (Decimal(101), 100, 180, 198) == (
        found.output.mean,
        found.output.p50,
        found.output.p90,
        found.output.p99,
    )


@given(st.lists(st.integers(0, 10**8), min_size=1, max_size=60))
def test_percentiles_are_within_a_thousandth(tokens: list[int]) -> None:
    """However long the requests are, a percentile is below its true value by 0.1 % at most."""
    found = usage_of(Request(each, 1) for each in tokens).input

    for percent, value in ((50, found.p50), (90, found.p90), (99, found.p99)):
        true = sorted(tokens)[-(-len(tokens) * percent // 100) - 1]
        assert true * Decimal("0.999") <= value <= true
    assert Decimal(sum(tokens)) / len(tokens) == found.mean


def test_the_cached_share_is_one_of_all_input() -> None:
    """30 of 100 and 0 of 200 input tokens make a share of a tenth."""
    found = usage_of([Request(100, 1, 30), Request(200, 1, 0)])

    assert Decimal("0.1") == found.cached_share


def test_an_untold_cache_is_unknown() -> None:
    """Without cached tokens in the log the share is unknown, not 0, and the snippet has none."""
    found = usage_of([Request(100, 1)])

    assert found.cached_share is None
    assert "cached share: no request tells its cached tokens" in found.unknown
    assert "cached_share" not in found.as_toml()


def test_a_cache_that_some_tell_is_theirs() -> None:
    """The share counts the requests that tell it, and says how many they are."""
    found = usage_of([Request(100, 1, 50), Request(900, 1)])

    assert Decimal("0.5") == found.cached_share
    assert "1 of 2 requests tell their cached tokens" in found.notes


# Load through time


def test_the_load_factor_is_mean_over_peak() -> None:
    """Of 27 requests a day, four in the fullest hour, LF is 27 / 24 / 4."""
    arrivals = usage_of(busy_afternoon()).arrivals

    assert arrivals is not None
    assert Decimal(27) / 24 / 4 == arrivals.factor.point
    assert Decimal(2700) / 86400 == arrivals.mean
    assert Decimal(400) / 3600 == arrivals.peak


def test_bursts_inside_a_window_make_the_low_end() -> None:
    """The fullest 5 minutes of an hour's window have one request: LF low is 27 / 24 / 12."""
    arrivals = usage_of(busy_afternoon()).arrivals

    assert arrivals is not None
    assert Decimal(27) / 24 / 12 == arrivals.factor.low


def test_one_window_in_a_hundred_may_wait_at_the_high_end() -> None:
    """One rush hour in 200 doesn't count for LF high: 100 in each of the others."""
    rush = [at(100 * 60 + 1, tokens=9_900)]
    arrivals = usage_of([*(at(hour * 60) for hour in range(201)), *rush]).arrivals

    assert arrivals is not None
    assert Decimal(1) == arrivals.factor.high
    assert Decimal(30_000) / 200 / 10_000 == arrivals.factor.point


def test_utilisation_is_load_factor_times_target_load() -> None:
    """Eta = LF Q rho, with Q = 1 where no machine is told."""
    arrivals = usage_of(busy_afternoon()).arrivals

    assert arrivals is not None
    assert Decimal("0.28125") * Decimal("0.75") == arrivals.utilisation().point
    assert arrivals.factor.low * Decimal("0.7") == arrivals.utilisation().low


def test_the_target_load_is_that_of_workloads() -> None:
    """What a log says and what a fleet is sized by by default don't contradict each other."""
    assert PEAK_LOAD == ASSUMPTIONS["target_load"].default


def test_field_names_are_shown_without_control_characters(tmp_path: Path) -> None:
    """A log of rubbish can't colour, or clear, the terminal."""
    log = tmp_path / "log.jsonl"
    log.write_text('{"\\u001b[2Jname": 1}\n')
    result = CliRunner().invoke(cli, ["usage", str(log)])
    assert r"it has \x1b[2Jname" in result.output


def test_whole_machines_lower_the_utilisation() -> None:
    """A peak of 1.25 machines at their target load buys two: Q is 0.625."""
    arrivals = usage_of(busy_afternoon()).arrivals

    assert arrivals is not None
    speed = arrivals.peak / Decimal("0.75") / Decimal("1.25")
    assert Decimal("0.625") == round(arrivals.whole_machines(speed), 6)
    assert round(arrivals.utilisation().point * Decimal("0.625"), 6) == round(
        arrivals.utilisation(speed).point, 6
    )


def test_tokens_a_month_are_those_of_730_hours() -> None:
    """2,700 tokens a day are 2,700 / 24 x 730 a month."""
    arrivals = usage_of(busy_afternoon()).arrivals

    assert arrivals is not None
    assert Decimal(82_125) == arrivals.tokens_per_month


def test_the_curve_has_hours_and_days() -> None:
    """Each hour of the day and each day of the week has the mean and the peak of its hours."""
    arrivals = usage_of(busy_afternoon(14)).arrivals

    assert arrivals is not None
    assert (Decimal(4), 4, Decimal(400), 400) == (
        arrivals.by_hour[14].requests,
        arrivals.by_hour[14].peak_requests,
        arrivals.by_hour[14].tokens,
        arrivals.by_hour[14].peak_tokens,
    )
    assert Decimal(1) == arrivals.by_hour[13].requests
    assert Decimal("1.125") == arrivals.by_weekday[6].requests
    assert list(range(24)) == list(arrivals.by_hour)
    assert list(range(7)) == list(arrivals.by_weekday)


def test_empty_hours_count() -> None:
    """An hour of the day in which nothing came lowers the mean of its kind."""
    arrivals = usage_of([at(0), at(60), at(24 * 60 + 1)]).arrivals

    assert arrivals is not None
    assert Decimal("0.5") * 2 == arrivals.by_hour[1].requests
    assert Decimal(0) == arrivals.by_hour[5].requests


def test_the_order_of_a_log_doesnt_matter() -> None:
    """Logs of several servers, one after the other, say the same as one in order."""
    requests = list(busy_afternoon())

    assert usage_of(requests) == usage_of(reversed(requests))


@pytest.mark.parametrize(
    ("requests", "window"),
    [
        ([at(0), at(23 * 60)], HOUR),
        ([at(0), at(10 * 24 * 60)], timedelta(days=1)),
        ([at(0)], HOUR),
        ([Request(1, 1)], HOUR),
        ([at(0, 0), at(3000, 0), Request(5, 5)], HOUR),
    ],
    ids=["less than a day", "less than 24 windows", "one request", "no times", "no tokens"],
)
def test_a_load_that_cant_be_told_is_unknown(requests: list[Request], window: timedelta) -> None:
    """Without a whole day, or 24 windows, there is no load factor, and the reason is told."""
    found = usage_of(requests, window)

    assert found.arrivals is None
    assert any(reason.startswith("load through time: ") for reason in found.unknown)
    assert "self_host" not in found.as_toml()


def test_a_log_of_days_says_what_it_lacks() -> None:
    """Less than a week gives a load factor with a note, a week gives none."""
    notes = usage_of(busy_afternoon(2)).notes

    assert any("less than a week" in note for note in notes)
    assert () == usage_of(busy_afternoon(7)).notes


def test_a_log_without_tokens_is_refused() -> None:
    """Nothing can be said of nothing."""
    for requests in ([], [Request(0, 0)]):
        with pytest.raises(ConfigError, match="no request with tokens"):
            usage_of(requests)


def test_too_fine_a_window_is_refused() -> None:
    """What would take unbounded memory asks for a longer window."""
    many = (at(number * 5) for number in range(250_000))

    with pytest.raises(ConfigError, match="give a longer one"):
        usage_of(many, 5 * MINUTE)


@given(
    st.lists(
        st.tuples(st.integers(0, 20_000), st.integers(1, 5_000)), min_size=2, max_size=40
    ).filter(lambda pairs: max(pairs)[0] - min(pairs)[0] >= 24 * 60)
)
def test_a_load_factor_is_a_share_in_order(pairs: list[tuple[int, int]]) -> None:
    """0 < low <= point <= high <= 1, whatever came when."""
    arrivals = usage_of(at(minutes, tokens) for minutes, tokens in pairs).arrivals

    assert arrivals is not None
    factor = arrivals.factor
    assert 0 < factor.low <= factor.point <= factor.high <= 1


# Into a workload


def loaded(usage: Usage) -> Workload:
    """The workload that the snippet makes together with an API and a machine."""
    text = f"[[workload]]{WORKLOAD}{usage.as_toml()}{MACHINE}"
    (table,) = Table(tomllib.loads(text, parse_float=Decimal), TOP).tables("workload")
    return Workload.from_table(table)


def test_the_snippet_is_a_part_of_a_workload() -> None:
    """Pasted between an API and a machine it loads, and the figures are those of the log."""
    requests = [Request(one.input + 50, 20, 30, one.at) for one in busy_afternoon()]
    usage = usage_of(requests)
    quantities = {
        quantity.name: quantity.value.point
        for way in (loaded(usage).self_host, loaded(usage).api)
        for quantity in _quantities(way)
    }

    assert usage.arrivals is not None
    eta = round(usage.arrivals.utilisation().point, 2)
    assert eta == round(quantities["utilisation"], 2)
    assert round(usage.input.mean, 1) == round(quantities["input tokens a request"], 1)
    assert Decimal(20) == quantities["output tokens a request"]
    assert round(usage.cached_share or 0, 3) == quantities["cached share of input"]


def _quantities(value: Any) -> Iterator[Any]:
    """Every quantity inside a way."""
    if hasattr(value, "value") and hasattr(value, "unit"):
        yield value
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from _quantities(getattr(value, name))


@given(st.integers(1, 10**8), st.integers(0, 10**8), st.integers(24 * 60, 10**7))
def test_every_snippet_loads(size: int, output: int, minutes: int) -> None:
    """Rounding makes no figure that a workload refuses."""
    usage = usage_of([Request(size, output, size, MONDAY), at(minutes, size), at(5, 10**8)])

    assert "ours" == loaded(usage).name


# Fields


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"usage": {"prompt_tokens": 10, "completion_tokens": 2}},
            Request(10, 2),
        ),
        (
            {
                "created": 1_790_000_000,
                "usage": {
                    "prompt_tokens": 10,
                    "completion_tokens": 2,
                    "prompt_tokens_details": {"cached_tokens": 4},
                },
            },
            Request(10, 2, 4, datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)),
        ),
        (
            {
                "usage": {
                    "input_tokens": 10,
                    "output_tokens": 2,
                    "input_tokens_details": {"cached_tokens": 4},
                }
            },
            Request(10, 2, 4),
        ),
        (
            {
                "usage": {
                    "input_tokens": 10,
                    "cache_read_input_tokens": 100,
                    "cache_creation_input_tokens": 7,
                    "output_tokens": 2,
                }
            },
            Request(117, 2, 100),
        ),
        (
            {"prompt_tokens": 110, "completion_tokens": 2, "cache_read_input_tokens": 100},
            Request(110, 2, 100),
        ),
        (
            {
                "usageMetadata": {
                    "promptTokenCount": 10,
                    "candidatesTokenCount": 2,
                    "thoughtsTokenCount": 30,
                    "cachedContentTokenCount": 4,
                }
            },
            Request(10, 32, 4),
        ),
        (
            {"usage": {"inputTokens": 10, "outputTokens": 2, "cacheReadInputTokens": 5}},
            Request(15, 2, 5),
        ),
        (
            {
                "timestamp": "2026-10-05T00:00:00Z",
                "input": {"inputTokenCount": 10},
                "output": {"outputTokenCount": 2},
            },
            Request(10, 2, None, MONDAY),
        ),
        (
            {
                "response": {
                    "status_code": 200,
                    "body": {
                        "created": 1_790_000_000,
                        "usage": {"prompt_tokens": 10, "completion_tokens": 2},
                    },
                }
            },
            Request(10, 2, None, datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)),
        ),
        (
            {"TIMESTAMP": "2026-10-05 00:00:00.0000000", "ContextTokens": 9, "GeneratedTokens": 1},
            Request(9, 1, None, MONDAY),
        ),
        (
            {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 2},
            Request(10, 2),
        ),
    ],
    ids=[
        "OpenAI",
        "OpenAI with cache",
        "OpenAI Responses",
        "Anthropic",
        "LiteLLM",
        "Gemini",
        "Bedrock Converse",
        "Bedrock log",
        "OpenAI Batch",
        "Azure trace",
        "OpenTelemetry",
    ],
)
def test_common_fields_are_known(row: dict[str, Any], expected: Request) -> None:
    """Cached tokens are part of the input once, whether they are counted in it or beside it."""
    assert [expected] == requests_of(row)


def test_own_names_come_first() -> None:
    """Fields named by the user are taken, and others of the row are not."""
    row = {"prompt_tokens": 1, "completion_tokens": 1, "n": {"in": "10", "out": 2, "hit": 3}}
    names = Names("n.in", "n.out", "n.hit", "when")

    assert [Request(10, 2, 3, MONDAY)] == requests_of(
        {**row, "when": "2026-10-05T02:00:00+02:00"}, names=names
    )


@pytest.mark.parametrize(
    "time",
    [
        *(1_791_158_400, "1791158400", 1_791_158_400_000, 1_791_158_400_000_000),
        *(
            1_791_158_400_000_000_000,
            "2026-10-05",
            "2026-10-05T00:00:00",
            "2026-10-05 00:00:00 UTC",
        ),
        *("2026-10-05T00:00:00.000Z", "2026-10-05T05:30:00+05:30", Decimal("1791158400.0")),
    ],
)
def test_times_in_all_usual_forms(time: Any) -> None:
    """Unix times in any fraction of a second, ISO 8601 with a zone, and without one in UTC."""
    row = {"timestamp": time, "prompt_tokens": 1, "completion_tokens": 1}

    assert [MONDAY] == [one.at for one in requests_of(row)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"prompt_tokens": -1}, "prompt_tokens is no number of tokens of one request"),
        ({"prompt_tokens": 1.5}, "prompt_tokens is no number of tokens of one request"),
        ({"prompt_tokens": 10**9}, "prompt_tokens is no number of tokens of one request"),
        ({"prompt_tokens": "1e999999999"}, "prompt_tokens is no number of tokens of one request"),
        ({"prompt_tokens": True}, "prompt_tokens is no number"),
        ({"prompt_tokens": "many"}, "prompt_tokens is no number"),
        ({"prompt_tokens": [1]}, "prompt_tokens is no number"),
        ({"prompt_tokens": None}, "no input and output tokens are known in it"),
        ({"cached_tokens": 11}, "more cached tokens than input tokens"),
        ({"created": "yesterday"}, "its time is none between 2000 and 2100"),
        ({"created": 12}, "its time is none between 2000 and 2100"),
        ({"created": {}}, "its time is none between 2000 and 2100"),
        ({"num_model_requests": 40}, "it is a sum over requests"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_left_out(change: dict[str, Any], reason: str) -> None:
    """An entry with an impossible figure is counted as bad, with its reason and place."""
    row = {"prompt_tokens": 10, "completion_tokens": 2, **change}
    found, log = log_of(
        json.dumps({"prompt_tokens": 9, "completion_tokens": 9}) + f"\n{json.dumps(row)}"
    )

    (bad,) = log.bad.values()
    assert [Request(9, 9)] == found
    assert (1, 2) == (bad.entries, bad.first)
    assert bad.reason.startswith(reason)


@pytest.mark.parametrize(
    "row",
    [
        {"error": {"message": "overloaded"}, "usage": None},
        {"status": "failure"},
        {"response": {"status_code": 429, "body": {"error": {}}}},
    ],
)
def test_failed_requests_are_no_bad_entries(row: dict[str, Any]) -> None:
    """A request with an error and without tokens is counted as failed."""
    found, log = log_of(json.dumps(row))

    assert ([], 1, {}) == (found, log.failed, log.bad)


# Files


def test_csv_and_jsonl_say_the_same() -> None:
    """The same requests in both forms."""
    header = "created,prompt_tokens,completion_tokens,cached_tokens\n"
    csv = f"{header}1791158400,10,2,\n1791158460,20,4,5\n"
    jsonl = "".join(
        json.dumps({"created": time, "prompt_tokens": size, "completion_tokens": out} | more) + "\n"
        for time, size, out, more in (
            (1791158400, 10, 2, {}),
            (1791158460, 20, 4, {"cached_tokens": 5}),
        )
    )

    assert log_of(jsonl)[0] == log_of(csv)[0]
    assert 2 == len(log_of(csv)[0])


@pytest.mark.parametrize("separator", [";", "\t"])
def test_csv_with_other_separators(separator: str) -> None:
    """The header tells what stands between cells."""
    text = "prompt_tokens,completion_tokens\n1,2\n".replace(",", separator)

    assert [Request(1, 2)] == log_of(text)[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b'{"prompt_tokens": 1, "completion_tokens": 2}\nnot JSON\n', "it is not JSON"),
        (b'{"prompt_tokens": 1, "completion_tokens": 2}\n[1]\n', "it is no JSON object"),
        (b'{"prompt_tokens": 1, "completion_tokens": 2}\n\xff\xfe\n', "it is not JSON"),
        (
            b'{"prompt_tokens": 1, "completion_tokens": 2}\n' + b"[" * 100_000,
            "it is not JSON",
        ),
        (
            b'{"prompt_tokens": 1, "completion_tokens": 2}\n{"prompt_tokens": '
            + b"9" * 5000
            + b"}\n",
            "it is not JSON",
        ),
        (b"prompt_tokens,completion_tokens\n1,2\n3\n", "its cells don't fit the header"),
        (
            b'prompt_tokens,completion_tokens\n1,2\n"' + b"x" * 200_000,
            "it is no CSV (field larger than field limit (131072))",
        ),
    ],
    ids=["words", "list", "bytes", "deep", "huge number", "short row", "open quote"],
)
def test_broken_lines_are_counted(text: bytes, reason: str) -> None:
    """A line that can't be read is left out with its reason, and the others live."""
    found, log = log_of(text)

    assert [Request(1, 2)] == found
    assert [(reason, 1, 2)] == [(one.reason, one.entries, one.first) for one in log.bad.values()]


def test_a_line_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a line that is too long nothing is kept, and the next one is read."""
    monkeypatch.setattr(usage_log, "LONGEST_LINE", 2**20)
    good = '{"prompt_tokens": 1, "completion_tokens": 2}\n'
    found, log = log_of(good + "{" + " " * (3 * 2**20) + "\n" + good)

    assert [Request(1, 2)] * 2 == found
    assert ["it is longer than 1 MiB"] == list(log.bad)


def test_blank_lines_and_a_mark_of_byte_order_are_no_entries() -> None:
    """What editors and Windows add is not counted."""
    found, log = log_of('\ufeff{"prompt_tokens": 1, "completion_tokens": 2}\n\n  \n')

    assert ([Request(1, 2)], {}) == (found, log.bad)


def test_memory_is_bounded() -> None:
    """20 MB of requests, of as many lengths in as many hours, take less than 4."""
    row = b'{"created": %d, "prompt_tokens": %d, "completion_tokens": 2, "prompt": "%s"}\n'
    rows = (row % (946_684_800 + 3600 * n, 25_000 * n, b"x" * 5000) for n in range(4_000))
    stream = io.BufferedReader(_Piped(rows))
    tracemalloc.start()
    found = usage_of(Log().requests(rows_of(stream, None, "log")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert 4_000 == found.requests
    assert peak < 4 * 10**6


class _Piped(io.RawIOBase):
    """Bytes that are made when they are read."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        super().__init__()
        self._parts = parts

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = next(self._parts, b"")
        buffer[: len(part)] = part
        return len(part)


# The command


def test_the_command_tells_people(tmp_path: Path) -> None:
    """Lengths, load factor, utilisation and the snippet, exit code 0."""
    done = asked(tmp_path, lines(busy_afternoon()))

    assert 0 == done.exit_code, done.output
    assert "load factor 0.2812 (0.09375 to 0.2812)" in done.stdout
    assert "utilisation = { low = 0.0656, point = 0.211, high = 0.239" in done.stdout
    assert "cached share: no request tells its cached tokens" in done.stdout


def test_the_command_tells_programs(tmp_path: Path) -> None:
    """The figures as decimal texts, and the snippet as it is printed."""
    found = json.loads(asked(tmp_path, lines(busy_afternoon()), "--json").stdout)

    assert "0.28125" == found["arrivals"]["load_factor"]["point"]
    assert "Monday" == found["arrivals"]["by_weekday"][0]["weekday"]
    assert found["toml"] in asked(tmp_path, lines(busy_afternoon())).stdout


def test_bad_entries_are_told(tmp_path: Path) -> None:
    """With one bad entry of a hundred the exit code is 3, and stderr says which it is."""
    done = asked(tmp_path, lines([at(0)] * 99) + "broken\n")

    assert 3 == done.exit_code
    assert "of 100 entries 1 can't be used, the first is number 100: it is not JSON" in done.stderr


def test_too_many_bad_entries_are_a_refusal(tmp_path: Path) -> None:
    """Six bad entries of a hundred are too many, five are not."""
    six = asked(tmp_path, lines([at(0)] * 94) + "broken\n" * 6)
    five = asked(tmp_path, lines([at(0)] * 95) + "broken\n" * 5)

    assert (2, 3) == (six.exit_code, five.exit_code)
    assert "Error: too much of the log is bad, of 100 entries 6 can't be used" in six.stderr
    assert "" == six.stdout


def test_unknown_fields_are_a_refusal_that_helps(tmp_path: Path) -> None:
    """A log of other names says which ones it has and that flags name them."""
    done = asked(tmp_path, "when,in,out\n2026-10-05,1,2\n")

    assert 2 == done.exit_code
    assert "name them by flags (it has when, in, out)" in done.stderr


@pytest.mark.parametrize(
    ("text", "options", "sentence"),
    [
        ("", [], "is empty"),
        ('[{"usage": {}}]', [], "is one JSON document"),
        ("x", ["--input-field", "a"], "give both --input-field and --output-field"),
        ("x", ["--window", "3"], "is no span from a minute to a year"),
        ("x", ["--window", "99999999999d"], "is no span from a minute to a year"),
        ("x", ["--machine-speed", "0"], "--machine-speed is 0; it must be above 0"),
    ],
)
def test_misuse_is_one_sentence(
    tmp_path: Path, text: str, options: list[str], sentence: str
) -> None:
    """What can't be answered is refused with exit code 2."""
    done = asked(tmp_path, text, *options)

    assert 2 == done.exit_code
    assert sentence in done.stderr


def test_a_log_from_standard_input() -> None:
    """`-` reads what is piped in."""
    done = CliRunner().invoke(cli, ["usage", "-", "--json"], input=lines(busy_afternoon()))

    assert 0 == done.exit_code
    assert 7 * 27 + 1 == json.loads(done.stdout)["requests"]


def test_control_codes_of_a_log_stay_in_it(tmp_path: Path) -> None:
    """Names of fields are shown without what could move a terminal's cursor."""
    done = asked(tmp_path, json.dumps({"\x1b[2Jevil": 1}) + "\n")

    assert 2 == done.exit_code
    assert "\x1b" not in done.output
