"""Apprise, the optional extra: a stand-in of its three calls, for the package isn't installed."""

import logging
import sys
from dataclasses import dataclass, field
from datetime import datetime
from types import ModuleType
from typing import Any, ClassVar

import pytest

from comparator.channels import apprise
from comparator.event import Event
from comparator.notice import Notice, Story
from pricebook.config import Secret
from pricebook.errors import ConfigError, DeliveryFailed


@dataclass
class Plugin:
    """What Apprise makes of an address."""

    url: str
    retry: int = 3


@dataclass
class Messenger:
    """As much of `apprise.Apprise` as is called; `answer` is that of every service."""

    answer: ClassVar[bool] = True
    sent: ClassVar[list[tuple[Plugin, dict[str, Any]]]] = []
    plugins: list[Plugin] = field(default_factory=list)

    @staticmethod
    def instantiate(url: str) -> Plugin | None:
        """None for an address of no service."""
        return Plugin(url) if "://" in url else None

    def add(self, plugin: Plugin) -> None:
        """To be told."""
        self.plugins.append(plugin)

    def notify(self, **message: Any) -> bool:
        """Keep it."""
        self.sent.extend((plugin, message) for plugin in self.plugins)
        return self.answer


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> apprise.Service:
    """A service whose address has a token in it."""
    stand_in = ModuleType("apprise")
    stand_in.Apprise = Messenger  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "apprise", stand_in)
    monkeypatch.setattr(Messenger, "sent", [])
    monkeypatch.setattr(Messenger, "answer", True)
    monkeypatch.setenv("TEST_URL", "tgram://t0ken/chat")
    return apprise.Service(Secret("[[receiver]] apprise url", env="TEST_URL"))


@pytest.fixture
def notice(noon: datetime) -> Notice:
    """One event."""
    return Notice((Story((Event("e1", "pays", "fired", "firing", noon, "bot"),)),))


def test_the_text_is_sent_once_and_without_debugging(
    service: apprise.Service, notice: Notice
) -> None:
    """Its own retries are switched off, and so are the logs that hold tokens."""
    apprise.send(service, notice)
    ((plugin, message),) = Messenger.sent

    assert plugin.retry == 0
    assert (message["title"], message["body_format"]) == ("Fired: pays, bot", "text")
    assert message["body"].startswith("Fired: pays, bot\n\nCrossed the threshold.")
    assert logging.getLogger("apprise").level == logging.WARNING


def test_a_failure_may_have_been_a_delivery(
    service: apprise.Service, notice: Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Apprise says no more than that: the next try warns of a possible repeat."""
    monkeypatch.setattr(Messenger, "answer", False)
    with pytest.raises(DeliveryFailed, match="keeps the reason to itself") as caught:
        apprise.send(service, notice)

    assert (caught.value.ambiguous, caught.value.permanent) == (True, False)


def test_an_address_of_no_service_is_told_without_it(
    service: apprise.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip of the pen is found by `breakeven check`."""
    monkeypatch.setenv("TEST_URL", "t0ken")
    with pytest.raises(ConfigError) as caught:
        service.plugin()
    assert str(caught.value) == "[[receiver]] apprise url: Apprise knows no such address"


def test_without_the_extra_the_sentence_says_how_to_get_it(
    service: apprise.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages wait."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError, match=r"pip install 'breakeven\[apprise\]'"):
        service.plugin()
