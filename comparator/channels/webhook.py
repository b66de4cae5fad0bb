"""A signed JSON webhook, for whatever the user's own programs do with an event.

Signed as the Standard Webhooks specification says (github.com/standard-webhooks/standard-webhooks),
so that its libraries can check it; docs/webhook.md shows how without them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from comparator.channels import Receipt, posting, wording
from comparator.channels.posting import Answer
from comparator.event import Event
from comparator.notice import Notice
from pricebook.config import Secret
from pricebook.errors import ConfigError, DeliveryFailed
from pricebook.quote import isoformat

_PREFIX = "whsec_"
_LATER = frozenset({408, 425, 429})
"""Refusals that pass: too slow, too early, too many."""


@dataclass(frozen=True, slots=True)
class SignedWebhook:
    """Where to post, and the secret that both sides share."""

    address: Secret
    secret: Secret

    def url(self) -> str:
        """The address; ConfigError (without it) when it is missing or would go in clear."""
        return posting.address(self.address)

    def key(self) -> bytes:
        """The secret's bytes: written as base64 after `whsec_`, else as it stands."""
        text = self.secret.reveal()
        if not text.startswith(_PREFIX):
            return text.encode()
        try:
            return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise ConfigError(f"{self.secret.where}: what follows whsec_ is no base64") from None

    def deliver(self, notice: Notice, only: Sequence[str] | None) -> Receipt:
        """Post it."""
        return send(self, notice)

    def ready(self) -> str:
        """That address and secret are there."""
        self.url()
        self.key()
        return "signed webhook; its address and its secret are set"


def render(notice: Notice) -> dict[str, Any]:
    """The body: docs/webhook.md has every field."""
    return {
        "id": notice.id,
        "repeat": notice.repeat,
        "text": wording.title(notice),
        "events": [_event(event) for event in notice.events],
    }


def send(webhook: SignedWebhook, notice: Notice, now: datetime | None = None) -> Receipt:
    """Post once; any 2xx is a yes. Raises DeliveryFailed, or ConfigError without its secrets."""
    url, body = webhook.url(), json.dumps(render(notice), ensure_ascii=False).encode()
    timestamp = int((now or datetime.now(UTC)).timestamp())
    headers = {
        "Content-Type": "application/json",
        "Webhook-Id": notice.id,
        "Webhook-Timestamp": str(timestamp),
        "Webhook-Signature": signature(webhook.key(), notice.id, timestamp, body),
    }
    answer = posting.post("the webhook", url, body, headers)
    words = posting.without_address(answer.body, url)
    if 200 <= answer.status < 300:
        return Receipt(str(answer.status), words)
    raise _refusal(answer, words)


def signature(key: bytes, message: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`."""
    signed = f"{message}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _event(event: Event) -> dict[str, Any]:
    return {
        "event": event.id,
        "rule": event.rule,
        "workload": event.workload,
        "kind": event.kind,
        "state": event.state,
        "at": isoformat(event.at),
        **event.details(),
    }


def _refusal(answer: Answer, words: str) -> DeliveryFailed:
    status = answer.status
    return DeliveryFailed(
        f"the webhook answered {status}: {words or 'no text'}",
        permanent=300 <= status < 500 and status not in _LATER,
        ambiguous=status >= 500,
        retry_after=answer.retry_after,
        code=str(status),
    )
