"""Slack by a bot's token: an episode is a thread, a chart is a file in it, and a message that may
have arrived is looked for before it is sent again.

Methods: docs.slack.dev/reference/methods, chat.postMessage, conversations.history and .replies,
files.getUploadURLExternal and .completeUploadExternal. Scopes: chat:write, files:write,
channels:history (groups:history in a private channel).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from comparator.channels import Receipt, chart, posting, slack, wording
from comparator.channels.posting import Answer
from comparator.notice import Notice
from pricebook.config import Secret
from pricebook.errors import DeliveryFailed

API = "https://slack.com/api"

_EVENT_TYPE = "breakeven_alert"
_MARGIN = timedelta(hours=1)
"""How much earlier than the message was written its copy is looked for: clocks differ."""

_CHARTS = 5

_FOR_NOW = frozenset({"ratelimited", "rate_limited", "service_unavailable", "team_added_to_org"})
_UNCLEAR = frozenset({"internal_error", "fatal_error", "request_timeout"})
"""Errors that pass, and those after which the message may stand in the channel all the same."""

_TOLD_ALOUD = frozenset({"resolved", "worsened", "discontinued"})
"""Kinds that the whole channel is shown, though they stand in a thread."""


@dataclass(frozen=True, slots=True)
class Bot:
    """Who posts, and into which channel (its ID: C0123456789); `api`: Slack's, or a stand-in."""

    token: Secret
    channel: str
    api: str = API

    def deliver(self, notice: Notice, only: Sequence[str] | None) -> Receipt:
        """Post it, with its charts."""
        return send(self, notice)

    def ready(self) -> str:
        """That the token is there."""
        self.token.reveal()
        return f"Slack channel {self.channel}; the bot's token is set"


def render(notice: Notice, channel: str) -> dict[str, Any]:
    """What chat.postMessage takes: the webhook's message, with its thread and our id."""
    payload = slack.render(notice)
    payload["channel"] = channel
    payload["metadata"] = {"event_type": _EVENT_TYPE, "event_payload": {"id": notice.id}}
    if notice.thread:
        aloud = any(story.event.kind in _TOLD_ALOUD for story in notice.stories)
        payload |= {"thread_ts": notice.thread, "reply_broadcast": aloud}
    return payload


def send(bot: Bot, notice: Notice) -> Receipt:
    """Post once, unless it is there already; then its charts. Raises DeliveryFailed or ConfigError.

    The receipt's thread is the message's own timestamp, or that of the message it replied to.
    """
    found = _arrived(bot, notice) if notice.repeat else ""
    if found:
        return Receipt("200", "an earlier try had arrived", thread=notice.thread or found)
    said = _call(bot, "chat.postMessage", render(notice, bot.channel))
    thread = notice.thread or str(said.get("ts", ""))
    return Receipt("200", ", ".join(["ok", *_upload_charts(bot, notice, thread)]), thread=thread)


def _arrived(bot: Bot, notice: Notice) -> str:
    """The timestamp of the message with our id; "" when it isn't there, or can't be looked for."""
    where = {"channel": bot.channel, "limit": "200", "include_all_metadata": "true"}
    if notice.written_at:
        where["oldest"] = str(int((notice.written_at - _MARGIN).timestamp()))
    method = "conversations.history"
    if notice.thread:
        method, where = "conversations.replies", where | {"ts": notice.thread}
    try:
        said = _ask(bot, method, where)
    except DeliveryFailed as error:
        if error.permanent:
            return ""  # without the scope for it: then the second copy says that it may be one
        raise
    return next((str(one["ts"]) for one in said.get("messages", ()) if _is_ours(one, notice)), "")


def _is_ours(message: Mapping[str, Any], notice: Notice) -> bool:
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    return (metadata.get("event_type"), payload.get("id")) == (_EVENT_TYPE, notice.id)


def _upload_charts(bot: Bot, notice: Notice, thread: str) -> Iterator[str]:
    """Into the thread; the message stands already, so a failure is only noted."""
    for story in notice.stories[:_CHARTS]:
        picture = chart.draw(story)
        if picture is None or not thread:
            continue
        try:
            _upload(bot, picture, chart.title(story), thread)
        except DeliveryFailed as error:
            yield f"without its chart ({error})"
            return


def _upload(bot: Bot, picture: bytes, title: str, thread: str) -> None:
    size = {"filename": "ratio.png", "length": str(len(picture)), "alt_txt": title}
    place = _ask(bot, "files.getUploadURLExternal", size)
    url = str(place.get("upload_url", ""))
    answer = posting.post("Slack", url, picture, {"Content-Type": "image/png"})
    if answer.status != 200:
        raise DeliveryFailed(f"Slack answered {answer.status} to the upload")
    done = {
        "files": [{"id": place.get("file_id"), "title": title}],
        "channel_id": bot.channel,
        "thread_ts": thread,
    }
    _call(bot, "files.completeUploadExternal", done)


def _call(bot: Bot, method: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    body = json.dumps(payload).encode()
    return _said(bot, method, body, "application/json; charset=utf-8")


def _ask(bot: Bot, method: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """Methods that read take forms, not JSON."""
    return _said(bot, method, urlencode(fields).encode(), "application/x-www-form-urlencoded")


def _said(bot: Bot, method: str, body: bytes, kind: str) -> dict[str, Any]:
    token = bot.token.reveal()
    headers = {"Content-Type": kind, "Authorization": f"Bearer {token}"}
    answer = posting.post("Slack", f"{bot.api}/{method}", body, headers)
    try:
        said = json.loads(answer.body)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise _no_slack(answer, token)
    if said.get("ok") is not True:
        raise _refusal(answer, method, str(said.get("error", "no reason")))
    return said


def _refusal(answer: Answer, method: str, error: str) -> DeliveryFailed:
    limited = answer.status == 429 or error in _FOR_NOW
    unclear = error in _UNCLEAR or answer.status >= 500
    return DeliveryFailed(
        f"Slack's {method} answered: {wording.clean(error, 100)}",
        permanent=not (limited or unclear),
        ambiguous=unclear and not limited,
        retry_after=answer.retry_after,
        code=error[:50],
    )


def _no_slack(answer: Answer, token: str) -> DeliveryFailed:
    words = wording.clean(answer.body.replace(token, "***"), 200)
    return DeliveryFailed(
        f"Slack answered {answer.status}, without saying yes or no: {words or 'no text'}",
        ambiguous=answer.status >= 500 or answer.status == 200,
        retry_after=answer.retry_after,
        code=str(answer.status),
    )
