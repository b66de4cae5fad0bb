"""A small world on loopback: sellers' pages, the AWS Price List API, Slack and a mail server.

Everything in it answers over real sockets; only the facts and the time are set by the story.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from breakeven.demo.facts import HARDWARE, Day
from breakeven.demo.pages import pages
from breakeven.demo.price_list import Machine, price_list
from breakeven.demo.pricing_api import PricingApi
from breakeven.demo.sinks import MailSink, SlackSink
from scraper.clock import Clock

REGION = "us-east-1"


class StoryClock(Clock):
    """The time of the story: it stands still until it is set; pauses take real time."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Aware UTC."""
        return self.at


class PageServer:
    """Pages over HTTP with an ETag each, so that an unchanged one is answered with 304."""

    def __init__(self) -> None:
        self.pages: dict[str, str] = {}
        self.answers: list[tuple[str, int]] = []
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Quiet: the client closes its connections as it likes."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, server: PageServer, *args: object) -> None:
        self._pages = server
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        page = self._pages.pages.get(self.path)
        body = b"not found" if page is None else page.encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        status = 404 if page is None else 304 if self.headers["If-None-Match"] == tag else 200
        self._pages.answers.append((self.path, status))
        self.send_response(status)
        if page is not None:
            self.send_header("ETag", tag)
        kind = "text/markdown" if ".md" in self.path else "text/html"
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(0 if status == 304 else len(body)))
        self.end_headers()
        if status != 304:
            self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Quiet: the story tells what was asked."""


@dataclass
class World:
    """All servers, and the day that they are at."""

    clock: StoryClock
    site: PageServer = field(default_factory=PageServer)
    prices: PricingApi = field(default_factory=PricingApi)
    slack: SlackSink = field(default_factory=SlackSink)
    mail: MailSink = field(default_factory=MailSink)

    def turn_to(self, day: Day) -> None:
        """Let every page and price list say what it said on that day."""
        self.clock.at = day.at
        self.site.pages = pages(day)
        self.prices.publish(price_list(_machines(day), day.at))

    def config(self, folder: Path, story: str) -> str:
        """The configuration for this world: its addresses before the story's own tables."""
        (folder / "slack-webhook").write_text(self.slack.url, encoding="utf-8")
        (folder / "slack-webhook").chmod(0o600)
        return _CONFIG.format(
            database=(folder / "breakeven.db").as_posix(),
            evidence=(folder / "evidence").as_posix(),
            site=self.site.url,
            prices=self.prices.url,
            region=REGION,
            families=", ".join(f'"{name}"' for name in HARDWARE),
            webhook=(folder / "slack-webhook").as_posix(),
            smtp_port=self.mail.port,
            story=story,
        )


@contextmanager
def world(day: Day) -> Iterator[World]:
    """The servers, started and stopped together."""
    with ExitStack() as stack:
        made = World(StoryClock(day.at))
        for server in (made.site, made.prices, made.slack, made.mail):
            stack.enter_context(server)
        stack.enter_context(_own_credentials())
        made.turn_to(day)
        yield made


@contextmanager
def _own_credentials() -> Iterator[None]:
    """Dummy AWS keys for the loopback API; the user's own account is out of the game."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _machines(day: Day) -> list[Machine]:
    return [
        Machine(
            instance_type=name,
            region=REGION,
            vcpu=HARDWARE[name].vcpu,
            memory=HARDWARE[name].memory,
            gpu=str(HARDWARE[name].gpus),
            on_demand=price,
        )
        for name, price in day.machines.items()
    ]


_CONFIG = """\
# Written by `breakeven demo`. Its servers are gone when the demo ends, so `collect` and `run` fail
# on it; every command that asks the database works.

[database]
url = "sqlite:///{database}"
evidence = "{evidence}"

[collect]
sources = ["openai", "anthropic", "google", "aws-ec2"]
every = "6h"

[collect.pages.openai]
markdown = "{site}/openai/pricing.md"
html = "{site}/openai/pricing"

[collect.pages.anthropic]
markdown = "{site}/anthropic/pricing.md"
html = "{site}/anthropic/pricing"

[collect.pages.google]
markdown = "{site}/google/pricing.md.txt"
html = "{site}/google/pricing"

[http]
min_interval = "0s"
allow_loopback = true

[aws]
regions = ["{region}"]
families = [{families}]
endpoint_url = "{prices}"
price_files_url = "{site}"
instance_facts = false
savings_plans = false
spot = false

[[receiver]]
name = "ml-slack"
slack = {{ webhook = {{ file = "{webhook}" }} }}

[[receiver]]
name = "finops-mail"

[receiver.email]
smtp = "127.0.0.1"
port = {smtp_port}
security = "none"
from = "breakeven@example.com"
to = ["finops@example.com"]

{story}"""
