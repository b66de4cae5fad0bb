"""Loading a server of the user's own, against one on this machine that streams at a known rate."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from benchmarks.token_server import (
    Behaviour,
    begin_stream,
    send_event,
    send_json,
    send_line,
    serving,
)
from breakeven import endpoint, measuring
from breakeven.cli import cli
from breakeven.endpoint import Answer, Endpoint
from breakeven.measure_report import Measured, Server, lengths_of, measure
from breakeven.measuring import Plan, sampled
from breakeven.steady import Load, Percentiles, figures_of
from comparator.catalogue import load as catalogue
from comparator.measurement import Throughput, read
from comparator.usage import Request
from pricebook.errors import ConfigError, MeasurementFailed

KEY = "sk-hunter2"
NOBODY = Server("", 1, "", "")
TOKEN = {"choices": [{"delta": {"content": "word"}}]}
END = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def plan(url: str, **changes: Any) -> Plan:
    """A short load."""
    asked: dict[str, Any] = {"lengths": [(50, 20)], "concurrency": 4, "requests": 40, "seconds": 5}
    return Plan(Endpoint.of(url, "llama"), **(asked | changes))


def measured(behaviour: Behaviour, **changes: Any) -> Measured:
    with serving(behaviour) as url:
        return measure(plan(url, **changes), NOBODY, None)


def asked(url: str, *options: str, **environment: str) -> Result:
    lengths = ["--input-tokens", "30", "--output-tokens", "5", "--requests", "8"]
    words = ["measure", url, "--model", "llama", "--concurrency", "2", *lengths, *options]
    return CliRunner().invoke(cli, words, env=environment)


def within(expected: Decimal, percent: int, found: Decimal | None) -> bool:
    return found is not None and abs(found - expected) <= expected * percent / 100


# What is measured


def test_the_rate_is_the_servers() -> None:
    """The output rate is that of the tokens that the server sent in the steady window."""
    behaviour = Behaviour(prompt_seconds=0.1, token_seconds=0.01)
    found = measured(behaviour, requests=32)
    begin, end = found.load.window
    sent = sum(begin <= at < end for _, times in behaviour.answers for at in times)

    assert within(Decimal(sent) / Decimal(end - begin), 3, found.figures.output_rate)


def test_the_rate_is_never_above_what_the_server_can_do() -> None:
    """4 workers that wait 100 ms for a token and 190 ms for 19 more get 280 tokens in 290 ms."""
    found = measured(Behaviour(prompt_seconds=0.1, token_seconds=0.01), requests=32).figures

    assert found.total_rate is not None
    assert found.output_rate is not None
    assert found.output_rate <= Decimal(80) / Decimal("0.29") * Decimal("1.01")
    assert found.total_rate <= Decimal(280) / Decimal("0.29") * Decimal("1.01")


def test_the_times_are_the_servers() -> None:
    """Time to first token, per further token, and of the whole answer, as the server kept them."""
    behaviour = Behaviour(prompt_seconds=0.1, token_seconds=0.01)
    found = measured(behaviour, requests=20)
    window = found.load.window
    kept = [(came, sent) for came, sent in behaviour.answers if window[0] <= came < window[1]]

    for shown, expected in (
        (found.figures.ttft, Percentiles.of(sent[0] - came for came, sent in kept)),
        (found.figures.tpot, Percentiles.of((sent[-1] - sent[0]) / 19 for _, sent in kept)),
        (found.figures.latency, Percentiles.of(sent[-1] - came for came, sent in kept)),
    ):
        assert expected is not None
        assert shown is not None
        assert within(expected.p50, 5, shown.p50)


def test_prompts_have_the_length_that_was_asked_for() -> None:
    """A template of 10 tokens and 2 tokens a word are found out before the load."""
    found = measured(Behaviour(token_seconds=0.001, tokens_a_word=2)).figures

    assert (Decimal(50), Decimal(20)) == (found.input_tokens, found.output_tokens)


def test_no_two_prompts_begin_alike() -> None:
    """No prefix cache can shorten the work: the first ten words differ in all requests."""
    behaviour = Behaviour(prompt_seconds=0, token_seconds=0)
    measured(behaviour)
    prompts = [one["messages"][0]["content"] for one in behaviour.asked[1:]]

    assert len(prompts) == len({tuple(prompt.split()[:10]) for prompt in prompts})


def test_tokens_are_never_chunks() -> None:
    """A server that sends four tokens in a chunk is as fast as its usage says."""
    found = measured(Behaviour(prompt_seconds=0.1, token_seconds=0.01, per_chunk=4)).figures

    assert found.output_rate is not None
    assert within(Decimal(4), 3, found.output_rate / found.chunk_rate)


def test_without_usage_tokens_are_unknown(tmp_path: Path) -> None:
    """Rates and lengths are unknown, times are known, nothing is written, and it is said."""
    out = tmp_path / "out.csv"
    with serving(Behaviour(counts=False, token_seconds=0.001)) as url:
        done = asked(url, "--gpu", "H100", "--engine", "vLLM", "--out", str(out), "--json")
    found = json.loads(done.stdout)

    assert 3 == done.exit_code
    assert found["steady"]["output_tokens_per_second"] is None
    assert found["steady"]["total_tokens_per_second"] is None
    assert found["steady"]["output_tokens"] is None
    assert Decimal(found["steady"]["ttft_ms"]["p50"]) > 0
    assert "8 of 8 answers came without usage, so tokens a second are unknown" in found["notes"][0]
    assert (False, None) == (out.exists(), found["row"])


def test_failures_are_counted() -> None:
    """Every fifth request is refused: eight of forty, none of them in the figures."""
    found = measured(Behaviour(token_seconds=0.001, fails=5), requests=38)

    assert (8, 30) == (found.load.failures.total(), len(found.load.answers))
    assert 3 == found.exit_code
    assert any("answered 503: overloaded" in note for note in found.notes())


def test_lengths_come_from_a_log(tmp_path: Path) -> None:
    """The requests have the pairs of lengths of the log, and no others."""
    log = tmp_path / "log.csv"
    log.write_text("input_tokens,output_tokens\n40,3\n80,6\n")
    behaviour = Behaviour(prompt_seconds=0, token_seconds=0)
    measured(behaviour, lengths=lengths_of(None, None, log))
    pairs = {
        (10 + len(one["messages"][0]["content"].split()), one["max_tokens"])
        for one in behaviour.asked[2:]
    }

    assert {(40, 3), (80, 6)} == pairs


def test_a_long_log_is_sampled_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more requests than are kept, late ones are drawn as often as early ones."""
    monkeypatch.setattr(measuring, "LARGEST_SAMPLE", 1_000)
    kept = sampled(Request(number, 1) for number in range(1, 10_001))

    assert 1_000 == len(kept)
    assert 4_500 < sum(size for size, _ in kept) / 1_000 < 5_500


def test_the_plain_completions_api() -> None:
    """The whole address of /v1/completions asks with a prompt instead of messages."""
    behaviour = Behaviour(prompt_seconds=0, token_seconds=0.001)
    with serving(behaviour) as url:
        found = measure(plan(f"{url}/v1/completions"), NOBODY, None)

    assert Decimal(20) == found.figures.output_tokens
    assert {"prompt"} == {"prompt", "messages"} & behaviour.asked[0].keys()


def test_a_server_that_knows_no_ignore_eos() -> None:
    """What is no part of OpenAI's API is left out when the server refuses it."""
    behaviour = Behaviour(prompt_seconds=0, token_seconds=0.001, refuses_ignore_eos=True)
    found = measured(behaviour)

    assert 0 == found.load.failures.total()
    assert [True] + [False] * 42 == ["ignore_eos" in one for one in behaviour.asked]


# The steady window, on times made up


def answer(sent: int, first: int, last: int, tokens: int = 100) -> Answer:
    return Answer(sent, first, last, tokens, tokens, tokens)


def load_of(answers: Iterable[Answer], **changes: Any) -> Load:
    made = Load(1, (0,), tuple(answers), Counter(), (), 100, 0)
    return replace(made, **changes)


def test_the_warm_up_is_left_out() -> None:
    """Only what came after each worker's first answer counts."""
    slow, fast = answer(0, 40, 50), [answer(each, each + 1, each + 5) for each in range(50, 100, 5)]
    found = figures_of(load_of([slow, *fast], warm=(50,)))

    assert (Decimal(50), 10, Decimal(20)) == (found.seconds, found.requests, found.output_rate)


def test_the_last_worker_to_warm_up_begins_it() -> None:
    """With two workers the window begins at the later of their first answers."""
    answers = [answer(0, 1, 10), answer(0, 1, 30), answer(30, 31, 40)]

    assert (30, 100) == load_of(answers, concurrency=2, warm=(10, 30)).window


def test_it_ends_when_a_worker_has_nothing_left_or_an_answer_is_missing() -> None:
    """What was sent when an unanswered request was under way is left out."""
    assert (0, 80) == load_of([], ended=80).window
    assert (0, 60) == load_of([], unanswered=(70, 60), ended=80).window


def test_a_request_counts_for_its_part_inside() -> None:
    """Of an answer from 90 to 110 s half the output counts, and all of its input."""
    found = figures_of(load_of([answer(80, 90, 110), answer(-20, -10, 0)], warm=(0,)))

    assert Decimal(50) / 100 == found.output_rate
    assert Decimal(100) / 100 == found.input_rate


def test_one_uncounted_answer_makes_the_rate_unknown() -> None:
    """A sum with a part that isn't known isn't known."""
    uncounted = replace(answer(50, 51, 60), input=None, output=None)
    found = figures_of(load_of([answer(0, 1, 10), uncounted]))

    assert (None, None, None) == (found.output_rate, found.total_rate, found.output_tokens)


@pytest.mark.parametrize(
    "changes", [{"warm": ()}, {"unanswered": (0,)}, {"concurrency": 2}, {"ended": 0}], ids=str
)
def test_without_a_steady_window_there_are_no_figures(changes: dict[str, Any]) -> None:
    """Too few answers are told as such, with what to do."""
    with pytest.raises(MeasurementFailed, match="give more --requests or --seconds"):
        figures_of(load_of([answer(0, 1, 10)], **changes))


def test_percentiles_are_ranks() -> None:
    """Of 1 to 100 ms the percentiles are 50, 90 and 99; of one figure it is all three."""
    found = Percentiles.of(each / 1000 for each in range(100, 0, -1))

    assert Percentiles(Decimal(50), Decimal(90), Decimal(99)) == found
    assert Percentiles(Decimal(7), Decimal(7), Decimal(7)) == Percentiles.of([0.007])


# Limits


def test_no_more_requests_than_asked_for() -> None:
    """12 requests and the two that find out about the server."""
    behaviour = Behaviour(prompt_seconds=0, token_seconds=0.001)
    measured(behaviour, requests=12)

    assert 14 == len(behaviour.asked)


def test_no_longer_than_asked_for() -> None:
    """A load of 10,000 requests ends after 2 s; what was under way is unanswered, not failed."""
    begun = time.monotonic()
    found = measured(Behaviour(prompt_seconds=0.3, token_seconds=0), requests=10_000, seconds=2)

    assert 2 <= time.monotonic() - begun < 3
    assert (4, 0) == (len(found.load.unanswered), found.load.failures.total())
    assert found.figures.requests < 4 * 2 / 0.3


def test_concurrency_is_kept() -> None:
    """There are as many requests at a time as asked for, never more."""
    now, most, lock = [0], [0], threading.Lock()

    def count(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], *now)
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        events(TOKEN, END)(handler, asked)

    measured(Behaviour(script=count), concurrency=7)

    assert [7] == most


def test_no_worker_is_left_behind() -> None:
    """When the time is up connections are cut and threads end, also of a server that hangs."""
    behaviour = Behaviour()

    def hang(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        if len(behaviour.asked) > 2:
            begin_stream(handler)
            time.sleep(3)
        events(TOKEN, END)(handler, asked)

    behaviour.script = hang
    with serving(behaviour) as url:
        with pytest.raises(MeasurementFailed, match="nothing was steady: 0 answers came to 4"):
            measure(plan(url, seconds=1), NOBODY, None)
        left = [one for one in threading.enumerate() if "_work" in one.name]

    assert [] == left


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"concurrency": 0}, "--concurrency is 0; it must be at least 1"),
        ({"requests": -1}, "--requests is -1; it must be at least 1"),
        ({"seconds": 0}, "--seconds is 0; it must be at least 1"),
        ({"concurrency": 5000}, "--concurrency is 5000; the most is 1024"),
    ],
)
def test_an_impossible_load_is_refused(changes: dict[str, int], sentence: str) -> None:
    """Nothing is sent."""
    with pytest.raises(ConfigError, match=sentence):
        plan("http://localhost:1", **changes)


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    """SIGINT ends the load with its figures, appends the row, and exits 130."""
    out = tmp_path / "out.csv"
    behaviour = Behaviour(prompt_seconds=0.02, token_seconds=0.002)
    with serving(behaviour) as url:
        words = [*("measure", url, "--model", "llama", "--input-tokens", "30"), "--output-tokens"]
        words += ["10", "--requests", "100000", "--gpu", "H100", "--engine", "x", "--out", str(out)]
        command = [sys.executable, "-m", "breakeven", *words, "--json"]
        pipe = subprocess.PIPE
        running = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)
        while len(behaviour.answers) < 60 and running.poll() is None:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        told, errors = running.communicate(timeout=10)

    assert 130 == running.returncode, errors
    assert json.loads(told)["interrupted"]
    assert "interrupted: it was measured until then" in json.loads(told)["notes"]
    assert 2 == len(out.read_text().splitlines())


# Servers that are none


def events(*sent: object) -> Any:
    """A script that streams these events."""

    def script(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        begin_stream(handler)
        for event in sent:
            if isinstance(event, str):
                send_line(handler, event)
            else:
                send_event(handler, event)
        handler.wfile.write(b"0\r\n\r\n")

    return script


def usage(**counts: object) -> dict[str, object]:
    return {"choices": [], "usage": counts}


def raw(*sent: bytes) -> Any:
    """A script that writes bytes and hangs up."""

    def script(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        for part in sent:
            handler.wfile.write(part)
        handler.close_connection = True

    return script


def document(status: int, body: object) -> Any:
    return lambda handler, asked: send_json(handler, status, body)


BAD = {
    "redirect": (
        raw(b"HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n"),
        "leads elsewhere (302)",
    ),
    "no stream": (document(200, {"choices": []}), "doesn't stream: it sent its answer as one"),
    "a page": (
        raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n<p>hi</p>"),
        "sent text/html, not a stream of events: '<p>hi</p>'",
    ),
    "no HTTP": (raw(b"SSH-2.0-OpenSSH\r\n"), "doesn't speak HTTP as it should (BadStatusLine)"),
    "hang up": (raw(), "doesn't speak HTTP as it should (RemoteDisconnected)"),
    "500": (document(500, {"error": {"message": "CUDA\nerror"}}), "answered 500: CUDA error"),
    "control codes": (document(500, {"error": "\x1b[2Jgone"}), "answered 500: [2Jgone"),
    "500 in a list": (document(500, [1]), "answered 500: [1]"),
    "no JSON": (events("data: hello"), "sent what is no event of an answer: 'hello'"),
    "no object": (events("data: 12"), "sent what is no event of an answer: '12'"),
    "no event": (events("<html>"), "sent what is no event of an answer: '<html>'"),
    "error in it": (
        events(TOKEN, {"error": {"message": "out of memory"}}),
        "broke its answer off with an error: out of memory",
    ),
    "cut short": (events(TOKEN), "broke its answer off"),
    "empty": (events("data: [DONE]"), "sent an answer without a token"),
    "no token": (events(END), "sent an answer without a token"),
    "strange choices": (events({"choices": 1}, {"choices": [1, {}]}, END), "without a token"),
    "negative": (
        events(TOKEN, END, usage(prompt_tokens=-1, completion_tokens=1)),
        "says -1 prompt_tokens in its usage, which can't be",
    ),
    "text": (
        events(TOKEN, END, usage(prompt_tokens="12", completion_tokens=1)),
        "says '12' prompt_tokens in its usage",
    ),
    "huge": (
        events(TOKEN, END, usage(prompt_tokens=1, completion_tokens=10**9)),
        "says 1000000000 completion_tokens in its usage",
    ),
    "true": (
        events(TOKEN, END, usage(prompt_tokens=True, completion_tokens=1)),
        "says True prompt_tokens in its usage",
    ),
    "long line": (events("data: " + "x" * 2**20), "sent more than an answer can be"),
}


@pytest.mark.parametrize(("script", "sentence"), BAD.values(), ids=list(BAD))
def test_a_server_that_is_none_is_told_in_a_sentence(script: Any, sentence: str) -> None:
    """What is wrong stands in one line, exit code 1, and nothing is measured."""
    with serving(Behaviour(script=script)) as url:
        done = asked(url)

    assert 1 == done.exit_code
    assert "" == done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {url}/v1/chat/completions ")
    assert sentence in line


def test_an_endless_answer_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never stops is left at the limit of bytes."""
    monkeypatch.setattr(endpoint, "LARGEST_ANSWER", 10_000)
    with serving(Behaviour(script=events(*[TOKEN] * 1_000))) as url:
        done = asked(url)

    assert "sent more than an answer can be" in done.stderr


def test_a_dribbling_server_is_left_in_time() -> None:
    """One that sends a little now and then, and no answer, is left when the seconds are up."""

    def dribble(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        begin_stream(handler)
        for _ in range(40):
            send_line(handler, ": still here")
            time.sleep(0.1)

    begun = time.monotonic()
    with serving(Behaviour(script=dribble)) as url:
        done = asked(url, "--seconds", "1")

    assert "didn't answer in 1 s" in done.stderr
    assert time.monotonic() - begun < 3


def test_a_silent_server_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that says nothing at all has an end, too."""
    monkeypatch.setattr(endpoint, "SECONDS_OF_SILENCE", 0.2)
    with serving(Behaviour(script=lambda *_: time.sleep(1))) as url:
        done = asked(url)

    assert "gave no sign of life in time" in done.stderr


def test_nobody_listens() -> None:
    """A refused connection asks whether the server is running."""
    with serving(Behaviour()) as url:
        pass
    done = asked(url)

    assert 1 == done.exit_code
    assert "refuses connections: is the server running, and on this port?" in done.stderr


def test_no_such_host() -> None:
    """A name without an address is told so."""
    done = asked("http://nobody.invalid:8000")

    assert "can't be found: its name has no address" in done.stderr


def test_a_server_without_tls() -> None:
    """https to a server of plain http is told as what it is."""
    with serving(Behaviour()) as url:
        done = asked(url.replace("http:", "https:"))

    assert "can't be reached by TLS" in done.stderr


def test_an_unknown_model_is_told() -> None:
    """404 in the server's own words."""
    with serving(Behaviour()) as url:
        words = ["--model", "lama", "--input-tokens", "3", "--output-tokens", "3"]
        done = CliRunner().invoke(cli, ["measure", url, *words])

    assert "has no model 'lama' (404: The model `lama` does not exist.)" in done.stderr


def test_a_wrong_address_is_told() -> None:
    """404 without a word of the model asks for the address."""
    with serving(Behaviour(script=document(404, {"detail": "Not Found"}))) as url:
        done = asked(f"{url}/api")

    assert f"{url}/api/v1/chat/completions doesn't exist (404)" in done.stderr


# The key


def test_the_key_comes_from_the_environment() -> None:
    """It is sent as a bearer token, and a load with it works."""
    behaviour = Behaviour(key=KEY, token_seconds=0)
    with serving(behaviour) as url:
        done = asked(url, "--api-key-env", "MY_KEY", MY_KEY=KEY)

    assert 0 == done.exit_code, done.output
    assert {f"Bearer {KEY}"} == {one["Authorization"] for one in behaviour.headers}
    assert KEY not in done.output


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("sk-wrong", "doesn't take the key in MY_KEY (401)"),
        ("", "environment variable MY_KEY is empty or missing"),
        ("two words", "MY_KEY holds a key with blanks or signs that no header takes"),
        ("a\nX-Evil: 1", "MY_KEY holds a key with blanks or signs that no header takes"),
    ],
)
def test_a_key_is_never_shown(key: str, sentence: str) -> None:
    """A key that is wrong is told by the name of its variable."""
    with serving(Behaviour(key=KEY)) as url:
        done = asked(url, "--api-key-env", "MY_KEY", MY_KEY=key)

    assert sentence in done.stderr
    assert not key or key not in done.output


def test_a_server_that_echoes_the_key() -> None:
    """What the server says is shown without the key in it."""
    said = {"error": {"message": f"no such thing: Bearer {KEY}"}}
    with serving(Behaviour(script=document(500, said))) as url:
        done = asked(url, "--api-key-env", "MY_KEY", MY_KEY=KEY)

    assert "answered 500: no such thing: Bearer ***" in done.stderr


def test_a_missing_key_is_told() -> None:
    """401 without a key says how to give one."""
    with serving(Behaviour(key=KEY)) as url:
        done = asked(url)

    assert "wants a key (401); name its variable by --api-key-env" in done.stderr


def test_no_proxy_comes_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment is not asked: it would be measured, too."""
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with serving(Behaviour(token_seconds=0)) as url:
        done = asked(url)

    assert 0 == done.exit_code, done.output


# Where it goes


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h:8000", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/", "http://h:8000/v1/chat/completions"),
        ("https://h/v1", "https://h/v1/chat/completions"),
        ("https://h/api/v1/", "https://h/api/v1/chat/completions"),
        ("http://h/v1/completions", "http://h/v1/completions"),
        ("http://[::1]:8000/v1/chat/completions?k=secret", "http://[::1]:8000/v1/chat/completions"),
    ],
)
def test_the_address_may_be_short(url: str, expected: str) -> None:
    """The path is completed, and a query, which may hold a secret, is not shown."""
    assert expected == str(Endpoint.of(url, "llama"))


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://h", "http://", "http://h:99999", "http://me:pw@h", "file:///x"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """With exit code 2, and without showing a password."""
    done = asked(url)

    assert 2 == done.exit_code
    assert "pw" not in done.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "give --input-tokens and --output-tokens, at least 1, or --usage LOG"),
        (["--input-tokens", "5"], "give --input-tokens and --output-tokens"),
        (["--input-tokens", "0", "--output-tokens", "5"], "at least 1"),
        (["--input-tokens", "5", "--usage", "log.csv"], "give lengths or --usage LOG, not both"),
    ],
)
def test_lengths_must_be_given(options: list[str], sentence: str) -> None:
    """A speed without lengths says nothing: there is no default."""
    done = CliRunner().invoke(cli, ["measure", "http://localhost:1", "--model", "m", *options])

    assert 2 == done.exit_code
    assert sentence in done.stderr


# The row


def appended(folder: Path, *options: str) -> tuple[Result, Path]:
    out = folder / "ours.csv"
    with serving(Behaviour(token_seconds=0.001)) as url:
        words = ["--gpu", "H100", "--gpus", "2", "--engine", "vLLM", "--precision", "fp8"]
        return asked(url, *words, "--out", str(out), *options), out


def test_a_row_is_one_of_the_catalogue(tmp_path: Path) -> None:
    """What is written is read by the catalogue, with the figures that were shown."""
    done, out = appended(tmp_path, "--json")
    shown = json.loads(done.stdout)
    (row,) = catalogue([out]).throughput("llama")

    assert 0 == done.exit_code, done.output
    assert ("llama", "H100", Decimal(2), "fp8", "vLLM", "concurrency", Decimal(2)) == (
        row.model,
        row.gpu,
        row.gpus,
        row.precision,
        row.engine,
        row.load,
        row.concurrency,
    )
    assert (Decimal(30), Decimal(5)) == (row.input_tokens, row.output_tokens)
    assert Decimal(shown["steady"]["total_tokens_per_second"]) == row.total_tokens_per_second
    assert Decimal(shown["steady"]["ttft_ms"]["p50"]) == row.ttft_ms


def test_rows_are_appended(tmp_path: Path) -> None:
    """A second measurement stands below the first, whatever the order of columns is."""
    _, out = appended(tmp_path)
    rows = list(csv.DictReader(out.read_text().splitlines()))
    names = sorted(rows[0])
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    out.write_text(out.read_text().rstrip("\n"))
    appended(tmp_path)

    found = list(read(out))
    assert [Throughput] * 2 == [type(row) for row in found]
    assert ",".join(names) == out.read_text().splitlines()[0]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a,b\n1,2\n", "is none of table"),
        ("instance,gpu,gpus,gpu_memory_mib,source\np5,H100,8,1,x\n", "is no table of throughput"),
        (
            "model,gpu,gpus,engine,load,evidence,date,source,total_tokens_per_second\n",
            "lacks the columns precision, input_tokens",
        ),
    ],
)
def test_a_file_that_cant_take_the_row_is_refused_first(
    tmp_path: Path, text: str, sentence: str
) -> None:
    """Nothing is measured in vain, and the file stays as it was."""
    out = tmp_path / "ours.csv"
    out.write_text(text)
    behaviour = Behaviour()
    with serving(behaviour) as url:
        done = asked(url, "--gpu", "H100", "--engine", "vLLM", "--out", str(out))

    assert 2 == done.exit_code
    assert sentence in done.stderr
    assert ([], text) == (behaviour.asked, out.read_text())


def test_a_row_needs_its_machines() -> None:
    """Without the GPU and the engine there is nothing to compare a speed with."""
    done = asked("http://localhost:1", "--out", "x.csv")

    assert 2 == done.exit_code
    assert "--out needs --gpu and --engine" in done.stderr


def test_people_see_a_table() -> None:
    """Rates and times stand in tables, with what was asked."""
    with serving(Behaviour(token_seconds=0.001)) as url:
        done = asked(url)

    assert 0 == done.exit_code
    assert f"{url}/v1/chat/completions, llama" == done.stdout.splitlines()[0]
    assert "30 tokens in, 5 out" in done.stdout
    assert "to the first token" in done.stdout


def test_short_answers_are_told() -> None:
    """A model that stops early is measured as it is, with a note."""
    script = events(TOKEN, TOKEN, END, usage(prompt_tokens=50, completion_tokens=2))
    notes = list(measured(Behaviour(script=script)).notes())

    assert "answers have 2 tokens, not the 20 that were asked for" in notes


def test_a_load_that_is_the_bottleneck_says_so() -> None:
    """When asking took most of a processor, the server may be faster."""
    found = measured(Behaviour(prompt_seconds=0, token_seconds=0))
    busy = replace(found, load=replace(found.load, busy=0.95))
    idle = replace(found, load=replace(found.load, busy=0.3))

    assert any("may be faster" in note for note in busy.notes())
    assert not any("may be faster" in note for note in idle.notes())
