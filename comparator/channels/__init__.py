"""How a message leaves: one module per channel, each with a pure `render` and a `send`."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from comparator.notice import Notice

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receiver said when it took a message.

    `outstanding`: recipients that it asked to try again later; the others have the message.
    `thread`: how the channel finds this message again, when more of its episode is to follow.
    """

    code: str
    words: str
    outstanding: tuple[str, ...] = ()
    thread: str = ""


class Channel(Protocol):
    """A way to reach somebody, with all that it needs."""

    def deliver(self, notice: Notice, only: Sequence[str] | None) -> Receipt:
        """Send once. `only`: of a mail's recipients, these; None is all.

        Raises DeliveryFailed, or ConfigError when a secret can't be had.
        """
        ...

    def ready(self) -> str:
        """What can be said without sending: its secrets are there. ConfigError else."""
        ...


def within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """What `call` returns or raises; TimeoutError when that takes longer, all in all.

    The timeouts of requests and smtplib bound each wait for bytes, not their sum, so a peer that
    sends a byte now and then would hold us for ever. The thread left behind ends with its socket.
    """
    answers: list[Answer] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            answers.append(call())
        except Exception as error:  # noqa: BLE001 - raised again below, in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not answers:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return answers[0]


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, by address or as `localhost`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
