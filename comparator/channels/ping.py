"""A dead man's switch: somebody else tells you when breakeven itself has stopped.

The protocol of healthchecks.io (healthchecks.io/docs/http_api): ADDRESS/start when a pass begins,
ADDRESS when it went well, ADDRESS/fail when it didn't.
"""

from __future__ import annotations

from comparator.channels import posting
from comparator.channels.wording import clean
from pricebook.config import Secret
from pricebook.errors import DeliveryFailed

START, WELL, FAILED = "/start", "", "/fail"

_WORDS = 1_000


def ping(secret: Secret, signal: str, words: str = "") -> None:
    """Send one signal; DeliveryFailed when it wasn't taken, ConfigError without its address."""
    url = posting.address(secret).rstrip("/")
    body = clean(words, _WORDS).encode()
    answer = posting.post("the dead man's switch", url + signal, body, {})
    if answer.status != 200:
        said = posting.without_address(answer.body, url)
        raise DeliveryFailed(f"the dead man's switch answered {answer.status}: {said}")
