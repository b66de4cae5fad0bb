"""Slack: what is rendered, and what becomes of every answer."""

import json
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from breakeven.demo.sinks import ANSWERS, SlackSink, violations
from comparator.channels import posting, slack
from comparator.event import Cause, Event, Range
from comparator.notice import Notice, Point, Story
from pricebook.config import Secret
from pricebook.errors import ConfigError, DeliveryFailed

FIRED = Event(
    id="01J9-fired",
    rule="self-hosting pays",
    kind="fired",
    state="firing",
    at=datetime(2026, 8, 21, 14, 5, tzinfo=UTC),
    workload="support bot",
    threshold="ratio falls below 1",
    since=datetime(2026, 8, 21, 8, tzinfo=UTC),
    before=Range(Decimal("1.02"), Decimal("1.04"), Decimal("1.06")),
    after=Range(Decimal("0.90"), Decimal("0.93"), Decimal("0.97")),
    costs={
        "self-hosting": Range(Decimal("40"), Decimal("41.5"), Decimal("43")),
        "the API": Range(Decimal("44.6"), Decimal("44.6"), Decimal("44.6")),
    },
    cost_unit="USD per run",
    verdict="self-hosting is cheaper",
    why=(
        Cause(
            input="aws p4d.24xlarge instance USD/hour",
            before="21.96",
            after="19.22",
            share=Decimal("1"),
            evidence={
                "quoted": "$19.22",
                "where": "p4d, Linux",
                "url": "https://prices.example/p4d?a=1&b=2",
                "source": "aws-ec2/us-east-1",
                "recorded_at": "2026-08-21T14:00:00Z",
            },
        ),
    ),
)


@pytest.fixture
def sink() -> Iterator[SlackSink]:
    """A Slack webhook on loopback."""
    with SlackSink() as running:
        yield running


@pytest.fixture
def webhook(sink: SlackSink, monkeypatch: pytest.MonkeyPatch) -> slack.Webhook:
    """A webhook that leads to the sink."""
    return webhook_to(sink.url, monkeypatch)


def webhook_to(url: str, monkeypatch: pytest.MonkeyPatch) -> slack.Webhook:
    """A webhook with this address."""
    monkeypatch.setenv("TEST_WEBHOOK", url)
    return slack.Webhook(Secret("[[receiver]] webhook", env="TEST_WEBHOOK"))


def notice(event: Event = FIRED, **parts: object) -> Notice:
    """The message of one event."""
    return Notice((Story((event,)),), **parts)


def refused(webhook: slack.Webhook) -> DeliveryFailed:
    """The error of one try to send."""
    with pytest.raises(DeliveryFailed) as caught:
        slack.send(webhook, slack.render(notice()))
    return caught.value


def texts(payload: dict[str, object]) -> str:
    """All that can be read in the blocks."""
    return json.dumps(payload["blocks"], ensure_ascii=False)


def test_a_message_says_what_crossed_why_and_where_to_look() -> None:
    """Ratio, costs, cause, evidence, the command that explains it and the event's id are told."""
    shown = texts(slack.render(notice()))

    for words in (
        "Fired: self-hosting pays, support bot: ratio 0.93, was 1.04",
        "Crossed the threshold. Now self-hosting is cheaper.",
        "Ratio now: 0.93 (0.9 to 0.97)",
        "Self-hosting: 41.5 (40 to 43) USD per run",
        "The API: 44.6 USD per run",
        "aws p4d.24xlarge instance USD/hour: 21.96 → 19.22 (100 % of the change)",
        "aws-ec2/us-east-1, “$19.22”, p4d, Linux, recorded 2026-08-21T14:00:00Z",
        "<https://prices.example/p4d?a=1&amp;b=2|prices.example>",
        "breakeven explain 'support bot' --as-of 2026-08-21T14:05:00Z",
        "Event 01J9-fired",
    ):
        assert words in shown


def test_the_fallback_is_the_headline_and_links_are_not_unfurled() -> None:
    """Notifications show `text`; Slack is not asked to fetch the pages that are named."""
    payload = slack.render(notice())

    assert payload["text"] == "Fired: self-hosting pays, support bot: ratio 0.93, was 1.04"
    assert payload["unfurl_links"] is False


def test_a_repeat_says_so_with_the_events_id() -> None:
    """A message that may have arrived before is recognisable as the same one."""
    shown = texts(slack.render(notice(repeat=True)))

    assert "Possible repeat: an earlier try may have arrived, with the same id 01J9-fired" in shown


def test_foreign_text_calls_nobody_and_formats_nothing() -> None:
    """A page's `<!channel>` is shown as it stands: escaped, and never in mrkdwn."""
    hostile = Cause("<!channel> *x* & @here", "<@U1>", "1", None, {"quoted": "<!here|x>"})
    payload = slack.render(
        notice(replace(FIRED, rule="<!everyone>", text="<!here>", why=(hostile,)))
    )

    assert "<!" not in json.dumps(payload)
    assert "&lt;!channel&gt; *x* &amp; @here" in texts(payload)
    assert '"mrkdwn"' not in texts(payload)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://a.example/<!channel>",
        "https://a.example/|x",
        "https://user@a.example/",
        "https://a.example/\n",
        "https://a.example/" + "x" * 400,
    ],
)
def test_only_a_plain_web_address_becomes_a_link(url: str) -> None:
    """An address that could end the link early, or is none, is not linked."""
    cause = Cause("input", "1", "2", None, {"url": url})

    assert '"mrkdwn"' not in texts(slack.render(notice(replace(FIRED, why=(cause,)))))


def test_direction_overrides_and_control_characters_are_dropped() -> None:
    """A right-to-left override can't turn the figures of a message round."""
    cause = Cause("a\u202eb\u0007\r\nc\ud800", "1", "2", None)

    assert "ab c: 1 → 2" in texts(slack.render(notice(replace(FIRED, why=(cause,)))))


def test_causes_that_do_not_fit_are_counted() -> None:
    """Too many causes end in `+N more`, and shown and hidden ones add up."""
    causes = tuple(Cause(f"input {number} {'x' * 300}", "1", "2", None) for number in range(60))
    payload = slack.render(notice(replace(FIRED, why=causes)))
    shown = sum("input " in json.dumps(block) for block in payload["blocks"])

    assert violations(payload) == []
    assert shown > 5
    assert f"+{60 - shown} more causes" in texts(payload)


def test_ok_is_a_receipt(sink: SlackSink, webhook: slack.Webhook) -> None:
    """200 with the body `ok` is the one answer that means taken."""
    receipt = slack.send(webhook, slack.render(notice()))

    assert (receipt.code, receipt.words) == ("200", "ok")
    assert sink.messages == [slack.render(notice())]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("invalid_payload", "400"),
        ("action_prohibited", "403"),
        ("no_service", "404"),
        ("channel_is_archived", "410"),
    ],
)
def test_a_refusal_is_permanent_and_in_slacks_words(
    sink: SlackSink, webhook: slack.Webhook, answer: str, code: str
) -> None:
    """400, 403, 404 and 410 can't get better by trying again."""
    sink.plan = [answer]
    error = refused(webhook)

    assert (error.permanent, error.ambiguous, error.code) == (True, False, code)
    assert str(error) == f"Slack answered {code}: {answer}"


def test_the_wait_that_slack_asks_for_is_kept(sink: SlackSink, webhook: slack.Webhook) -> None:
    """429 carries the seconds of Retry-After, and is neither permanent nor ambiguous."""
    sink.plan = ["rate_limited"]
    error = refused(webhook)

    assert (error.retry_after, error.permanent, error.ambiguous) == (30.0, False, False)


@pytest.mark.parametrize("answer", ["rollup_error", "captive_portal", "close"])
def test_an_unclear_answer_may_be_a_delivery(
    sink: SlackSink, webhook: slack.Webhook, answer: str
) -> None:
    """A 5xx, a stranger's 200 and a closed connection leave open whether it arrived."""
    sink.plan = [answer]
    error = refused(webhook)

    assert (error.ambiguous, error.permanent) == (True, False)


def test_a_redirect_is_not_followed(sink: SlackSink, webhook: slack.Webhook) -> None:
    """The payload goes to the configured address and nowhere else."""
    sink.plan = ["moved"]
    error = refused(webhook)

    assert str(error) == "the webhook answered 302, a redirect, which is not followed"
    assert len(sink.posts) == 1


def test_no_answer_in_time_may_be_a_delivery(
    sink: SlackSink, webhook: slack.Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence after the request was written is ambiguous."""
    monkeypatch.setattr(posting, "STEP_SECONDS", 0.1)
    sink.plan = ["hang"]
    error = refused(webhook)

    assert error.ambiguous
    assert str(error) == "Slack gave no answer: time is up"


def test_a_trickle_does_not_hold_us(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time limit is for the whole exchange: a byte now and then doesn't extend it."""
    monkeypatch.setattr(posting, "TOTAL_SECONDS", 0.3)
    with trickling() as port:
        error = refused(webhook_to(f"http://127.0.0.1:{port}/x", monkeypatch))

    assert error.ambiguous
    assert str(error) == "Slack gave no answer: time is up"


class trickling:  # noqa: N801 - used like a function
    """A server that sends an endless header, a byte at a time."""

    def __enter__(self) -> int:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return int(self._listener.getsockname()[1])

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not self._done.wait(0.02):
                connection.sendall(b"x")


def test_a_refused_connection_was_never_a_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a connection nothing was sent, and the system's own words say why."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refused(webhook_to(f"http://127.0.0.1:{port}/services/s3cret", monkeypatch))

    assert (error.ambiguous, error.permanent, error.code) == (False, False, "")
    assert str(error) == "Slack can't be reached: Connection refused"


def test_the_address_is_in_no_error_and_no_log(
    sink: SlackSink, webhook: slack.Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    """Even at level DEBUG, and on every kind of failure, the webhook's token stays out of sight."""
    for name in ("", "urllib3"):  # the command line, tried by other tests, makes urllib3 quiet
        caplog.set_level(logging.DEBUG, name)
    sink.plan = ["invalid_payload", "rollup_error", "close", "moved"]
    errors = [refused(webhook) for _ in range(4)]
    slack.send(webhook, slack.render(notice()))

    assert "localsecret" not in caplog.text + "".join(map(str, errors))
    assert "Starting new HTTP connection" in caplog.text


def test_an_error_page_that_repeats_the_path_is_blanked(
    sink: SlackSink, webhook: slack.Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Web servers answer 404 with the path that was asked for: it is the secret."""
    page = (404, "The URL /services/T0DEMO/B0DEMO/localsecret was not found")
    monkeypatch.setitem(ANSWERS, "not_found", page)
    sink.plan = ["not_found"]

    assert str(refused(webhook)) == "Slack answered 404: The URL *** was not found"


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/services/s3cret",
        "https://user:s3cret@hooks.example/",
        "ftp://hooks.example/s3cret",
        "https:///s3cret",
        "https://[s3cret/",
        "https://hooks.example:s3cret/",
        "s3cret",
    ],
)
def test_an_address_in_clear_is_refused_without_showing_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only https carries a secret address, except to this machine itself."""
    with pytest.raises(ConfigError) as caught:
        webhook_to(url, monkeypatch).url()

    assert str(caught.value) == "[[receiver]] webhook: the address must begin with https://"


def test_an_impossible_address_was_never_a_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be an address fails before anything is sent, and isn't shown."""
    error = refused(webhook_to("https://.hooks.example/s3cret", monkeypatch))

    assert (error.ambiguous, error.permanent) == (False, False)
    assert str(error) == "Slack can't be reached: InvalidURL"


def test_a_failed_handshake_stops_before_anything_is_sent(
    sink: SlackSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without TLS behind an https address nothing is posted."""
    url = sink.url.replace("http://", "https://")
    error = refused(webhook_to(url, monkeypatch))

    assert (error.ambiguous, error.permanent) == (False, False)
    assert str(error).startswith("Slack can't be reached: ")
    assert sink.posts == []


HOSTILE = ["<!channel>", "a\r\nBcc: x@example.com", "\u202eevil\u2066", "x" * 10_000, "&" * 10_000]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:5].encode("ascii", "replace"))
@pytest.mark.parametrize("count", [1, 2, 40])
def test_hostile_names_break_no_limit_and_call_nobody(text: str, count: int) -> None:
    """Wherever a page's text stands, the message is one that Slack takes, and pings nobody."""
    cause = Cause(text, text, text, Decimal("0.5"), dict.fromkeys(("quoted", "where", "url"), text))
    event = replace(
        FIRED,
        rule=text,
        workload=text,
        verdict=text,
        text=text,
        threshold=text,
        cost_unit=text,
        costs={text: FIRED.before},
        why=(cause,) * 30,
        flips=(text,) * 4,
    )
    payload = slack.render(Notice((Story((event,), POINTS),) * count))

    assert violations(payload) == []
    assert "<!" not in json.dumps(payload)
    assert "\u202e" not in texts(payload)


POINTS = tuple(
    Point(FIRED.at.replace(day=day), Range.exactly(Decimal(ratio)))
    for day, ratio in ((1, "1.2"), (11, "1.1"), (21, "0.93"))
)


def test_the_course_of_the_ratio_is_a_line_of_blocks() -> None:
    """A webhook carries no picture: blocks show the steps, with the ends and the dates."""
    payload = slack.render(Notice((Story((FIRED,), POINTS),)))

    drawn = "█" * 16 + "▅" * 15 + "▁ 0.93 to 1.2, 2026-08-01 to 2026-08-21"
    assert drawn in texts(payload)


def test_several_stories_are_one_message_with_a_count() -> None:
    """What doesn't fit is counted, and the header says what there is in all."""
    stories = tuple(Story((replace(FIRED, id=str(n), rule=f"rule {n}"),)) for n in range(30))
    payload = slack.render(Notice(stories))
    shown = sum(f"rule {n}, support bot" in texts(payload) for n in range(30))

    assert payload["text"] == "30 changes: 30 fired"
    assert violations(payload) == []
    assert 3 < shown < 30
    assert f"+{30 - shown} more: breakeven alerts" in texts(payload)


def test_what_would_end_it_and_how_to_silence_it_are_told() -> None:
    """The prices that alone would do it, and the command for a quiet week."""
    flips = ("aws p4d.24xlarge instance at 23.2 USD for 1 hour (now 19.22)",)
    shown = texts(slack.render(notice(replace(FIRED, flips=flips))))

    assert "It would be over with aws p4d.24xlarge instance at 23.2 USD for 1 hour" in shown
    assert "breakeven alerts silence 'self-hosting pays' --for 7d --reason WHY" in shown
