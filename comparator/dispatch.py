"""Sending what the outbox holds: claim, send, settle, for every receiver in turn."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import Engine

from comparator.channels import Receipt
from comparator.claiming import Claim, claim, remind
from comparator.notice import Notice
from comparator.outbox import GIVE_UP, Outcome, settle, waiting
from comparator.receivers import Receiver, deliver
from comparator.silence import Silence
from pricebook.errors import ConfigError, DeliveryFailed

SPACING_SECONDS = 1.0
"""Between two messages to the same receiver: Slack takes one a second for each channel."""


class Send(Protocol):
    """How a message is sent: `receivers.deliver`, or a stand-in for it."""

    def __call__(
        self, receiver: Receiver, notice: Notice, *, only: Sequence[str] | None
    ) -> Receipt: ...


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What sending needs: the book, who may be told and how, and the time.

    `owner` names this process. `windows`: maintenance. `report`: the receiver that is told when
    another one doesn't get its messages, "" for none.
    """

    engine: Engine
    receivers: Mapping[str, Receiver]
    owner: str
    windows: tuple[Silence, ...] = ()
    report: str = ""
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    send: Send = deliver
    sleep: Callable[[float], None] = time.sleep
    stopping: Callable[[], bool] = lambda: False

    def deliver_due(self) -> list[Outcome]:
        """Send everything that is due, each receiver's messages in order; what came of it.

        `stopping` is asked before each message, so that a signal waits for one message at most.
        """
        remind(self.engine, self.receivers, self.clock())
        outcomes: list[Outcome] = []
        while found := list(self._round({outcome.receiver for outcome in outcomes})):
            outcomes += found
        return outcomes

    def _round(self, served: set[str]) -> Iterator[Outcome]:
        """One message to each receiver that has one due."""
        rested = False
        for name in waiting(self.engine):
            if self.stopping():
                return
            claimed = self._claim(name)
            if claimed is None:
                continue
            if name in served and not rested:
                self.sleep(SPACING_SECONDS)
                rested = True
            answer = self._answer(claimed)
            yield settle(self.engine, claimed, answer, self.report, self.clock())

    def _claim(self, name: str) -> Claim | None:
        receiver, now = self.receivers.get(name), self.clock()
        return claim(self.engine, name, receiver, self.windows, self.owner, now)

    def _answer(self, claimed: Claim) -> Receipt | DeliveryFailed:
        """What came of one try; a fault of ours is final too, so that it can't block the others."""
        receiver = self.receivers.get(claimed.receiver)
        if receiver is None:
            return DeliveryFailed(
                f"receiver {claimed.receiver} is not in the configuration: put it back, or its"
                f" messages are given up after {GIVE_UP // timedelta(hours=1)} h"
            )
        try:
            return self.send(receiver, claimed.notice, only=claimed.outstanding)
        except DeliveryFailed as error:
            return error
        except ConfigError as error:
            return DeliveryFailed(str(error))
        except Exception as error:  # noqa: BLE001 - its text may hold a secret, its place doesn't
            place = traceback.extract_tb(error.__traceback__)[-1]
            fault = f"{type(error).__name__} in {place.name}, line {place.lineno}"
            return DeliveryFailed(f"a fault of breakeven: {fault}", permanent=True)
