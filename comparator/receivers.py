"""Who is told, and how: the `[[receiver]]` tables, and one delivery to one of them.

A channel is imported when a receiver has it: what they stand on is slow to load.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from comparator.channels import Channel, Receipt
from comparator.notice import Notice
from comparator.quiet import Wishes
from pricebook.config import Secret, Table
from pricebook.errors import ConfigError

_CHANNEL_ID = re.compile(r"[CG][A-Z0-9]{8,}")


@dataclass(frozen=True, slots=True)
class Receiver:
    """One `[[receiver]]`: the database knows it by its name alone."""

    name: str
    channel: Channel
    wishes: Wishes = field(default_factory=Wishes)

    @property
    def has_threads(self) -> bool:
        """Whether each of its messages belongs to one thread: then episodes don't share one."""
        from comparator.channels import slack_bot

        return isinstance(self.channel, slack_bot.Bot)


def read_receivers(root: Table) -> dict[str, Receiver]:
    """All `[[receiver]]` tables by name; ConfigError for a name given twice or an unknown key."""
    receivers: dict[str, Receiver] = {}
    for table in root.tables("receiver"):
        receiver = read_receiver(table)
        if receiver.name in receivers:
            raise ConfigError(f"{table.where}: name is already that of another receiver")
        receivers[receiver.name] = receiver
    return receivers


def read_receiver(table: Table) -> Receiver:
    """One `[[receiver]]`, which has exactly one channel."""
    name = table.text("name")
    given = [kind for kind in CHANNELS if table.has(kind)]
    if len(given) != 1:
        known = ", ".join(CHANNELS)
        raise ConfigError(f"{table.where}: give exactly one way to reach it out of {known}")
    part = table.table(given[0])
    channel = CHANNELS[given[0]](part)
    part.close()
    receiver = Receiver(name, channel, Wishes.read(table))
    table.close()
    return receiver


def deliver(receiver: Receiver, notice: Notice, *, only: Sequence[str] | None = None) -> Receipt:
    """Send once. `only`: of a mail's recipients, these.

    Raises DeliveryFailed, or ConfigError when the receiver's secret can't be had.
    """
    return receiver.channel.deliver(notice, only)


def _slack(table: Table) -> Channel:
    from comparator.channels import slack, slack_bot
    from comparator.channels.posting import is_guarded

    by_webhook, by_token = table.has("webhook"), table.has("token")
    if by_webhook == by_token:
        if not by_webhook:
            table.close()
        raise ConfigError(f"{table.where}: give either webhook, or token and channel")
    if by_webhook:
        return slack.Webhook(Secret.read(table.table("webhook")))
    channel, api = table.text("channel"), table.text("api", slack_bot.API).rstrip("/")
    if not _CHANNEL_ID.fullmatch(channel):
        what = "write the channel's ID, C0123456789, which Slack shows below its details"
        raise table.error("channel", f"is {channel!r}; {what}")
    if not is_guarded(api):
        raise table.error("api", "must begin with https://")
    return slack_bot.Bot(Secret.read(table.table("token")), channel, api)


def _mailbox(table: Table) -> Channel:
    from comparator.channels import email

    security = table.choice("security", email.SECURITIES, "starttls")
    sender = table.text("from")
    password = Secret.read(table.table("password")) if table.has("password") else None
    if table.has("user") and password is None:
        raise table.error("user", "is given without a password")
    return email.Mailbox(
        where=table.where,
        host=table.text("smtp"),
        port=table.integer("port", email.SECURITIES[security]),
        security=security,
        sender=sender,
        to=tuple(dict.fromkeys(table.texts("to"))),
        user=table.text("user", sender),
        password=password,
        ca_file=Path(table.text("ca_file")) if table.has("ca_file") else None,
    )


def _signed(table: Table) -> Channel:
    from comparator.channels import webhook

    url, secret = Secret.read(table.table("url")), Secret.read(table.table("secret"))
    return webhook.SignedWebhook(url, secret)


def _topic(table: Table) -> Channel:
    from comparator.channels import aws

    arn = table.text("topic")
    if not aws.TOPIC.fullmatch(arn):
        raise table.error("topic", f"is {arn!r}; write its ARN, arn:aws:sns:REGION:ACCOUNT:NAME")
    return aws.Topic(arn)


def _sender(table: Table) -> Channel:
    from comparator.channels import aws, email

    sender, to = table.text("from"), tuple(dict.fromkeys(table.texts("to")))
    email.check_addresses(table.where, sender, to)
    return aws.Sender(table.text("region"), sender, to)


def _service(table: Table) -> Channel:
    from comparator.channels import apprise

    return apprise.Service(Secret.read(table.table("url")))


CHANNELS: dict[str, Callable[[Table], Channel]] = {
    "slack": _slack,
    "email": _mailbox,
    "webhook": _signed,
    "sns": _topic,
    "ses": _sender,
    "apprise": _service,
}
