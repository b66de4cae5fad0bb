"""Slack: what a message looks like, and how it is posted by an incoming webhook.

`render` is pure; nothing here knows of the outbox or of a database.
Limits: docs.slack.dev/reference/block-kit/blocks; answers: docs.slack.dev/messaging/
sending-messages-using-incoming-webhooks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from comparator.channels import Receipt, posting, wording
from comparator.channels.posting import Answer
from comparator.event import Cause
from comparator.notice import Notice, Story
from pricebook.config import Secret
from pricebook.errors import DeliveryFailed

Block: TypeAlias = dict[str, Any]

_HEADER, _SUMMARY, _FACT, _FACTS, _CAUSE, _FALLBACK = 150, 700, 120, 10, 400, 600
_LINK = 500
"""Characters after escaping (`_FACTS`: how many). Slack's own limits are 150, 3000, 2000 (10)."""

_MAX_BYTES, _MAX_BLOCKS = 9_000, 50
"""Of all blocks as JSON. Slack refuses the whole message with `msg_blocks_too_long` near 13,200
characters, a limit that it doesn't document (github.com/slackapi/bolt-js/issues/2509) and that
others met near 11,300 (issues/2867)."""

_BRIEF = 2
"""Causes of each story, where a message tells several."""

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

_PERMANENT = frozenset({400, 403, 404, 410})

_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where to post; the secret is the whole address."""

    secret: Secret

    def url(self) -> str:
        """The address; ConfigError (without it) when it is missing or would go in clear."""
        return posting.address(self.secret)

    def deliver(self, notice: Notice, only: Sequence[str] | None) -> Receipt:
        """Post it."""
        return send(self, render(notice))

    def ready(self) -> str:
        """That the address is there."""
        self.url()
        return "Slack webhook; its address is set"


def render(notice: Notice) -> dict[str, Any]:
    """The payload of an incoming webhook, within all limits, whatever the events hold.

    Foreign text stands in `plain_text` objects, where `<!channel>` calls nobody; the only mrkdwn
    is a link to the page that was read.
    """
    top = [{"type": "header", "text": _plain(wording.title(notice), _HEADER)}]
    bottom = [_context(_plain(wording.reference(notice), _CAUSE))]
    room = _Room(_MAX_BYTES - _size([*top, *bottom]), _MAX_BLOCKS - len(top) - len(bottom))
    if len(notice.stories) == 1:
        middle = _story(notice.stories[0], room)
    else:
        middle = _stories(notice.stories, room)
    return {
        "text": _escaped(wording.title(notice), _FALLBACK),
        "mrkdwn": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": [*top, *middle, *bottom],
    }


def send(webhook: Webhook, payload: dict[str, Any]) -> Receipt:
    """Post once; raises DeliveryFailed, or ConfigError when there is no usable address."""
    url = webhook.url()
    answer = posting.post("Slack", url, json.dumps(payload).encode(), _JSON)
    words = posting.without_address(answer.body, url)
    if answer.status == 200 and answer.body.strip() == "ok":
        return Receipt("200", words)
    raise _refusal(answer, words)


@dataclass(frozen=True, slots=True)
class _Room:
    """What is left of a message, in bytes and in blocks."""

    bytes: int
    blocks: int

    def holds(self, blocks: Sequence[Block]) -> bool:
        return _size(blocks) <= self.bytes and len(blocks) <= self.blocks

    def less(self, blocks: Sequence[Block]) -> _Room:
        return _Room(self.bytes - _size(blocks), self.blocks - len(blocks))


def _story(story: Story, room: _Room) -> list[Block]:
    """All that is known; of the causes as many as fit."""
    top, bottom = list(_head(story)), list(_foot(story))
    return [*top, *_fitting(story.event.why, room.less([*top, *bottom])), *bottom]


def _stories(stories: Sequence[Story], room: _Room) -> list[Block]:
    """As many as fit, each with what matters most; what doesn't is counted."""
    shown: list[Block] = []
    for number, story in enumerate(stories):
        left = len(stories) - number
        more = _context(_plain(f"+{left} more: breakeven alerts", _CAUSE))
        candidate = [*shown, *_briefly(story)]
        if not room.holds([*candidate, *([more] if left > 1 else [])]):
            return [*shown, more]
        shown = candidate
    return shown


def _head(story: Story) -> Iterator[Block]:
    yield {"type": "section", "text": _plain(wording.summary(story), _SUMMARY)}
    facts = wording.facts(story.event)[:_FACTS]
    yield {"type": "section", "fields": [_field(*fact) for fact in facts]}
    yield from _course(story)


def _foot(story: Story) -> Iterator[Block]:
    if wording.back(story.event):
        yield {"type": "section", "text": _plain(wording.back(story.event), _SUMMARY)}
    yield _context(_plain(wording.followup(story.event), _CAUSE))
    if wording.hush(story.event):
        yield _context(_plain(wording.hush(story.event), _CAUSE))


def _briefly(story: Story) -> Iterator[Block]:
    yield {"type": "divider"}
    headline, summary = wording.headline(story.event), wording.summary(story)
    yield {"type": "section", "text": _plain(f"{headline}. {summary}", _SUMMARY)}
    yield from _course(story)
    for cause in story.event.why[:_BRIEF]:
        yield from _cause(cause)
    yield _context(_plain(wording.followup(story.event), _CAUSE))


def _course(story: Story) -> Iterator[Block]:
    drawn = wording.course(story.points, story.event.at)
    if drawn:
        yield _context(_plain(drawn, _CAUSE))


def _fitting(causes: tuple[Cause, ...], room: _Room) -> list[Block]:
    """As many causes as fit; what doesn't is counted."""
    shown: list[Block] = []
    for number, cause in enumerate(causes):
        more = _context(_plain(f"+{len(causes) - number} more causes", _CAUSE))
        candidate = [*shown, *_cause(cause)]
        if not room.holds([*candidate, more]):
            return [*shown, more]
        shown = candidate
    return shown


def _cause(cause: Cause) -> list[Block]:
    section = {"type": "section", "text": _plain(wording.movement(cause), _CAUSE)}
    elements = []
    if wording.source(cause):
        elements.append(_plain(wording.source(cause), _CAUSE))
    url = wording.address(cause)
    if url:
        link = f"<{_escaped(url, _LINK)}|{urlsplit(url).hostname}>"
        elements.append({"type": "mrkdwn", "text": link, "verbatim": True})
    return [section, _context(*elements)] if elements else [section]


def _context(*elements: dict[str, Any]) -> Block:
    return {"type": "context", "elements": list(elements)}


def _field(label: str, value: str) -> dict[str, Any]:
    return _plain(f"{label}: {value}", _FACT)


def _plain(text: str, limit: int) -> dict[str, Any]:
    # Slack refuses an empty text, and with it the whole message.
    return {"type": "plain_text", "text": _escaped(text, limit) or "-", "emoji": False}


def _escaped(text: str, limit: int) -> str:
    """Escaped and cut so that it is within `limit` however Slack may count (UTF-16, escapes)."""
    pieces = [_ESCAPES.get(char, char) for char in wording.clean(text, limit)]
    units = sum(map(_units, pieces))
    if units <= limit:
        return "".join(pieces)
    while units > limit - 1:
        units -= _units(pieces.pop())
    return "".join(pieces) + "…"


def _units(piece: str) -> int:
    return len(piece.encode("utf-16-le")) // 2


def _size(blocks: Sequence[Block]) -> int:
    return len(json.dumps(blocks, ensure_ascii=False).encode())


def _refusal(answer: Answer, words: str) -> DeliveryFailed:
    status = answer.status
    said = f"Slack answered {status}: {words or 'no text'}"
    if 300 <= status < 400:
        said = f"the webhook answered {status}, a redirect, which is not followed"
    elif status == 200:
        said = f"the webhook answered 200, but not Slack's `ok`: {words or 'no text'}"
    return DeliveryFailed(
        said,
        permanent=status in _PERMANENT,
        ambiguous=status >= 500 or status == 200,
        retry_after=answer.retry_after,
        code=str(status),
    )
