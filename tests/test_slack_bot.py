"""Slack by a bot's token: threads, charts, and messages that are looked for before a repeat."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from breakeven.demo.sinks import SlackApi, violations
from comparator.channels import slack_bot
from comparator.event import Event, Range
from comparator.notice import Notice, Point, Story
from pricebook.config import Secret
from pricebook.errors import DeliveryFailed

CHANNEL = "C0123456789"


@pytest.fixture
def api() -> Iterator[SlackApi]:
    """Slack's API on loopback."""
    with SlackApi() as running:
        yield running


@pytest.fixture
def bot(api: SlackApi, monkeypatch: pytest.MonkeyPatch) -> slack_bot.Bot:
    """A bot that posts there."""
    monkeypatch.setenv("TEST_TOKEN", api.token)
    return slack_bot.Bot(Secret("[[receiver]] token", env="TEST_TOKEN"), CHANNEL, api.url)


@pytest.fixture
def fired(noon: datetime) -> Event:
    """A crossing."""
    after = Range(Decimal("0.9"), Decimal("0.93"), Decimal("0.97"))
    return Event(
        "e1", "pays", "fired", "firing", noon, "bot", threshold="ratio falls below 1", after=after
    )


def notice(event: Event, **parts: Any) -> Notice:
    """The message of one event."""
    return Notice((Story((event,)),), **parts)


def course(at: datetime) -> tuple[Point, ...]:
    """A ratio that fell."""
    ratios = ((9, "1.2"), (4, "1.1"), (0, "0.93"))
    return tuple(
        Point(at - timedelta(days=days), Range.exactly(Decimal(ratio))) for days, ratio in ratios
    )


def methods(api: SlackApi) -> list[str]:
    """What was asked, in order."""
    return [method for method, _ in api.calls]


def refused(bot: slack_bot.Bot, message: Notice) -> DeliveryFailed:
    """The error of one try."""
    with pytest.raises(DeliveryFailed) as caught:
        slack_bot.send(bot, message)
    return caught.value


def test_a_message_is_posted_with_our_id(api: SlackApi, bot: slack_bot.Bot, fired: Event) -> None:
    """It stands in the channel, within the limits, and its metadata says which event it is."""
    receipt = slack_bot.send(bot, notice(fired))
    (message,) = api.messages

    assert violations(message) == []
    assert message["channel"] == CHANNEL
    assert message["metadata"]["event_payload"] == {"id": "e1"}
    assert receipt.thread == message["ts"]


def test_what_follows_goes_into_the_thread(api: SlackApi, bot: slack_bot.Bot, fired: Event) -> None:
    """The end of an episode replies to its beginning, and the channel is shown it."""
    thread = slack_bot.send(bot, notice(fired)).thread
    over = replace(fired, id="e2", kind="resolved", state="ok")
    receipt = slack_bot.send(bot, notice(over, thread=thread))

    assert (api.messages[1]["thread_ts"], api.messages[1]["reply_broadcast"]) == (thread, True)
    assert receipt.thread == thread


def test_the_chart_is_uploaded_into_the_thread(
    api: SlackApi, bot: slack_bot.Bot, fired: Event
) -> None:
    """A place is asked for, the picture is put there, and then it is shared."""
    receipt = slack_bot.send(bot, Notice((Story((fired,), course(fired.at)),)))
    asked = dict(api.calls)

    assert methods(api) == [
        "chat.postMessage",
        "files.getUploadURLExternal",
        "files.completeUploadExternal",
    ]
    assert api.files[0].startswith(b"\x89PNG")
    assert asked["files.getUploadURLExternal"]["length"] == str(len(api.files[0]))
    shared = asked["files.completeUploadExternal"]
    assert (shared["channel_id"], shared["thread_ts"]) == (CHANNEL, receipt.thread)
    assert receipt.words == "ok"


def test_a_chart_that_is_refused_costs_no_message(
    api: SlackApi, bot: slack_bot.Bot, fired: Event
) -> None:
    """Without files:write the message is delivered all the same, and the receipt says so."""
    api.denied = {"files.getUploadURLExternal"}
    receipt = slack_bot.send(bot, Notice((Story((fired,), course(fired.at)),)))

    assert len(api.messages) == 1
    assert receipt.words == (
        "ok, without its chart (Slack's files.getUploadURLExternal answered: missing_scope)"
    )


def test_a_message_that_had_arrived_is_not_sent_again(
    api: SlackApi, bot: slack_bot.Bot, fired: Event
) -> None:
    """After a lost answer the channel is read first, and the message found by our id."""
    api.plan = ["accepted"]
    assert refused(bot, notice(fired)).ambiguous

    receipt = slack_bot.send(bot, notice(fired, repeat=True, written_at=fired.at))
    assert len(api.messages) == 1
    assert (receipt.words, receipt.thread) == ("an earlier try had arrived", api.messages[0]["ts"])


def test_a_reply_is_looked_for_in_its_thread(
    api: SlackApi, bot: slack_bot.Bot, fired: Event
) -> None:
    """History doesn't show what stands in a thread."""
    thread = slack_bot.send(bot, notice(fired)).thread
    api.plan = ["accepted"]
    over = notice(replace(fired, id="e2", kind="resolved"), thread=thread)
    refused(bot, over)
    slack_bot.send(bot, replace(over, repeat=True))

    assert methods(api)[-1] == "conversations.replies"
    assert len(api.messages) == 2


def test_a_repeat_that_had_not_arrived_is_sent(
    api: SlackApi, bot: slack_bot.Bot, fired: Event
) -> None:
    """What isn't there is posted, and says that it may be a repeat."""
    slack_bot.send(bot, notice(fired, repeat=True))

    assert methods(api) == ["conversations.history", "chat.postMessage"]
    assert "Possible repeat" in str(api.messages[0])


def test_without_the_scope_to_look_it_is_sent(
    api: SlackApi, bot: slack_bot.Bot, fired: Event
) -> None:
    """A second copy that says so is better than none."""
    api.denied = {"conversations.history"}
    slack_bot.send(bot, notice(fired, repeat=True))

    assert len(api.messages) == 1


@pytest.mark.parametrize(
    ("answer", "permanent", "ambiguous", "asked"),
    [
        ("channel_not_found", True, False, None),
        ("invalid_blocks", True, False, None),
        ("token_revoked", True, False, None),
        ("ratelimited", False, False, 30.0),
        ("service_unavailable", False, False, None),
        ("internal_error", False, True, None),
    ],
)
def test_an_error_is_final_or_passes(
    api: SlackApi,
    bot: slack_bot.Bot,
    fired: Event,
    answer: str,
    permanent: bool,
    ambiguous: bool,
    asked: float | None,
) -> None:
    """Slack's own word is kept, with what can be made of it."""
    api.plan = [answer]
    error = refused(bot, notice(fired))

    assert str(error) == f"Slack's chat.postMessage answered: {answer}"
    assert (error.permanent, error.ambiguous) == (permanent, ambiguous)
    assert (error.retry_after, error.code) == (asked, answer)


def test_the_token_is_in_no_error(
    api: SlackApi, bot: slack_bot.Bot, fired: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token that Slack doesn't know is refused without being shown."""
    monkeypatch.setenv("TEST_TOKEN", "xoxb-another-secret")

    assert str(refused(bot, notice(fired))) == "Slack's chat.postMessage answered: invalid_auth"
