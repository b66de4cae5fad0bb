"""Apprise (the extra `apprise`): text to some hundred and fifty services that we don't speak to.

Its limits: it says only that it failed, not why, nor whether the message may have arrived; no
threads, no charts; a pause that a service asks for is unknown. Each try is one of the outbox's.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from comparator.channels import Receipt, email, within, wording
from comparator.notice import Notice
from pricebook.config import Secret
from pricebook.errors import ConfigError, DeliveryFailed

TOTAL_SECONDS = 60

_TITLE, _TEXT = 200, 3_000


@dataclass(frozen=True, slots=True)
class Service:
    """An address as Apprise writes it, with its tokens: `tgram://TOKEN/CHAT`."""

    address: Secret

    def plugin(self) -> Any:
        """What speaks to the service; ConfigError when there is none, or no Apprise."""
        try:
            import apprise
        except ImportError:
            what = "Apprise isn't installed; pip install 'breakeven[apprise]'"
            raise ConfigError(f"{self.address.where}: {what}") from None
        # At DEBUG it writes addresses with their tokens.
        logging.getLogger("apprise").setLevel(logging.WARNING)
        plugin = apprise.Apprise.instantiate(self.address.reveal())
        if plugin is None:
            raise ConfigError(f"{self.address.where}: Apprise knows no such address")
        # Its own retries know no Retry-After, and would double what may have arrived.
        plugin.retry = 0
        return plugin

    def deliver(self, notice: Notice, only: Sequence[str] | None) -> Receipt:
        """Send it."""
        return send(self, notice)

    def ready(self) -> str:
        """That Apprise is there, and knows the address."""
        self.plugin()
        return "a service by Apprise; its address is set"


def send(service: Service, notice: Notice) -> Receipt:
    """Send once; a failure may have been a delivery, for Apprise doesn't say. DeliveryFailed."""
    plugin = service.plugin()
    title, body = wording.clean(wording.title(notice), _TITLE), email.text(notice)[:_TEXT]
    try:
        taken = within(TOTAL_SECONDS, lambda: _sent(plugin, title, body))
    except TimeoutError as error:
        raise DeliveryFailed(f"Apprise: {error}", ambiguous=True) from None
    if not taken:
        reason = "Apprise failed, and keeps the reason to itself"
        raise DeliveryFailed(reason, ambiguous=True)
    return Receipt("", "ok")


def _sent(plugin: Any, title: str, body: str) -> bool:
    import apprise

    messenger = apprise.Apprise()
    messenger.add(plugin)
    return bool(messenger.notify(title=title, body=body, body_format="text"))
