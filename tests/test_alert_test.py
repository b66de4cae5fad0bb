"""`alerts test`: for every kind of receiver a message that looks like a real one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from click.testing import CliRunner
from moto import mock_aws
from moto.ses.models import ses_backends
from moto.sns.models import sns_backends

from breakeven.cli import cli
from breakeven.demo.sinks import MailSink, SlackApi, SlackSink

TAKEN = "us took the test message\n"
CHANNEL = "C0123456789"
REAL = (
    "This is a test",
    "0.6834",  # the ratio now
    "5.467",  # what self-hosting costs
    "21.957642 USD for an hour",  # what moved
    "It would be over with",
)
"""What every kind of message says."""


def tried(tmp_path: Path, channel: str) -> str:
    """What the command says of a receiver that is reached so."""
    config = tmp_path / "c.toml"
    config.write_text(f'[[receiver]]\nname = "us"\n{channel}\n', encoding="utf-8")
    result = CliRunner().invoke(cli, ["--config", str(config), "alerts", "test", "us"])
    return result.stderr


def lacking(shown: str) -> list[str]:
    """What a real message has and this one hasn't."""
    return [words for words in REAL if words not in shown]


def test_slack_by_webhook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures, cause and course, within Slack's limits, which the sink holds to."""
    with SlackSink() as slack:
        monkeypatch.setenv("TEST_URL", slack.url)
        assert tried(tmp_path, 'slack = { webhook = { env = "TEST_URL" } }') == TAKEN
    shown = json.dumps(slack.messages, ensure_ascii=False)
    assert [] == lacking(shown)
    assert "█" in shown


def test_slack_by_bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with a chart."""
    with SlackApi() as slack:
        monkeypatch.setenv("TEST_TOKEN", slack.token)
        where = f'channel = "{CHANNEL}", api = "{slack.url}"'
        assert tried(tmp_path, f'slack = {{ token = {{ env = "TEST_TOKEN" }}, {where} }}') == TAKEN
    assert [] == lacking(json.dumps(slack.messages, ensure_ascii=False))
    assert [b"\x89PNG"] == [file[:4] for file in slack.files]


def test_mail(tmp_path: Path) -> None:
    """Text, HTML and a chart."""
    with MailSink() as sink:
        to = 'from = "us@example.com", to = ["you@example.com"], security = "none"'
        assert (
            tried(tmp_path, f'email = {{ smtp = "127.0.0.1", port = {sink.port}, {to} }}') == TAKEN
        )
    (mail,) = sink.mails
    for kind in ("plain", "html"):
        body = mail.message.get_body((kind,))
        assert body is not None
        assert [] == lacking(body.get_content())
    assert "image/png" in [part.get_content_type() for part in mail.message.walk()]


@pytest.fixture
def posted() -> Iterator[tuple[str, list[str]]]:
    """The address of a server that takes everything, and what it took."""
    bodies: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", bodies
    server.shutdown()
    thread.join()
    server.server_close()


def test_signed_webhook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, posted: tuple[str, list[str]]
) -> None:
    """The event as JSON, with exact figures."""
    url, bodies = posted
    monkeypatch.setenv("TEST_URL", url)
    monkeypatch.setenv("TEST_SECRET", "a secret of both")
    channel = 'webhook = { url = { env = "TEST_URL" }, secret = { env = "TEST_SECRET" } }'
    assert tried(tmp_path, channel) == TAKEN
    (event,) = json.loads(bodies[0])["events"]
    assert "test" == event["kind"]
    assert "21.957642 USD for an hour" == event["why"][0]["to"]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An account of moto's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


@pytest.mark.usefixtures("account")
def test_sns(tmp_path: Path) -> None:
    """The text of the mail."""
    sns = boto3.client("sns", region_name="us-east-1")
    arn = sns.create_topic(Name="alerts")["TopicArn"]
    assert tried(tmp_path, f'sns = {{ topic = "{arn}" }}') == TAKEN
    topic = sns_backends["123456789012"]["us-east-1"].topics[arn]
    assert [] == lacking(topic.sent_notifications[0][1])


@pytest.mark.usefixtures("account")
def test_ses(tmp_path: Path) -> None:
    """The whole mail."""
    boto3.client("ses", region_name="us-east-1").verify_email_identity(
        EmailAddress="us@example.com"
    )
    to = 'from = "us@example.com", to = ["you@example.com"]'
    assert tried(tmp_path, f'ses = {{ region = "us-east-1", {to} }}') == TAKEN
    (sent,) = ses_backends["123456789012"]["us-east-1"].sent_messages
    assert "image/png" in sent.raw_data
