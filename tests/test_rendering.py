"""Whatever an event holds, both channels can send it and nothing in it does harm."""

import json
from datetime import UTC, datetime
from email import message_from_bytes, policy
from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from breakeven.demo.sinks import violations
from comparator.channels import email, slack
from comparator.event import KINDS, Cause, Event, Range
from comparator.notice import Notice, Story

HOSTILE = (
    "<!channel>" * 1000,
    "&" * 10_000,
    "\U0001f600" * 3_000,
    "\u4e00" * 3_000,
    '"\\' * 2_000,
    "</td><script>alert(1)</script>",
    "x\r\nBcc: victim@example.com\r\n\r\nbody",
    "=?utf-8?q?=0d=0aBcc:_victim@example.com?=",
    "\u202e\u2066\u200b",
    "\x00\x1b[31m\x85\u2028",
    "\ud800",
    'https://example.com/?a=1&b="><script>',
    "",
)

HEADERS = {
    "Subject",
    "From",
    "To",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Auto-Submitted",
    "List-Id",
    "X-Breakeven-Event",
    "MIME-Version",
    "Content-Type",
}

ELEMENTS = {"html", "body", "h2", "h3", "p", "table", "tr", "td", "code", "span", "br", "a"}

texts = st.text(max_size=40) | st.integers(0, len(HOSTILE) - 1).map(HOSTILE.__getitem__)
numbers = st.decimals(allow_nan=False, allow_infinity=False)
ranges = st.lists(numbers.map(abs), min_size=3, max_size=3).map(lambda few: Range(*sorted(few)))
times = st.datetimes(timezones=st.just(UTC))
causes = st.builds(
    Cause,
    texts,
    texts,
    texts,
    st.none() | numbers,
    st.dictionaries(
        st.sampled_from(["source", "quoted", "where", "url", "recorded_at"]), texts, max_size=4
    ),
)
events = st.builds(
    Event,
    id=texts,
    rule=texts,
    kind=st.sampled_from([*KINDS, "a kind of tomorrow"]),
    state=texts,
    at=times,
    workload=texts,
    threshold=texts,
    since=st.none() | times,
    before=st.none() | ranges,
    after=st.none() | ranges,
    costs=st.dictionaries(texts, ranges, max_size=3),
    cost_unit=texts,
    verdict=texts,
    why=st.lists(causes, max_size=3).map(lambda few: tuple(few * 20)),
    text=texts,
)


def told(event: Event, repeat: bool) -> Notice:
    """A message of one event."""
    return Notice((Story((event,)),), repeat)


@settings(max_examples=60, deadline=None)
@given(events, st.booleans())
def test_slack_takes_every_payload(event: Event, repeat: bool) -> None:
    """Each payload is within Slack's limits and calls nobody."""
    payload = slack.render(told(event, repeat))

    assert violations(payload) == []
    assert "<!" not in json.dumps(payload)


class Tags(HTMLParser):
    """The names of all elements, and the addresses that they lead to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect one element."""
        self.names.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


def test_an_encoded_word_in_a_name_is_told_as_it_stands() -> None:
    """It isn't decoded: a line's end in it would begin another header."""
    event = Event(
        "id",
        "=?utf-8?q?=0d=0aBcc:_victim@example.com?=",
        "fired",
        "firing",
        datetime(2026, 9, 1, tzinfo=UTC),
    )
    mail = email.render(told(event, repeat=False), "alerts@example.com", ["a@example.com"])

    assert mail["Subject"] == "[breakeven] = ?utf-8?q?=0d=0aBcc:_victim@example.com?="


@settings(max_examples=60, deadline=None)
@given(events, st.booleans())
def test_mail_has_our_headers_and_elements_only(event: Event, repeat: bool) -> None:
    """No text of an event becomes a header, an element or a script, and Gmail won't cut it."""
    sent = email.render(told(event, repeat), "alerts@example.com", ["a@example.com"]).as_bytes()
    mail = message_from_bytes(sent, policy=policy.default)
    page = mail.get_body(("html",)).get_content()
    tags = Tags(page)

    assert (set(mail.keys()), len(mail.keys())) == (HEADERS, len(HEADERS))
    assert tags.names <= ELEMENTS
    assert all(link.startswith(("https://", "http://")) for link in tags.links)
    assert len(page.encode()) < 102_000
    assert max(map(len, sent.split(b"\r\n"))) <= 998
