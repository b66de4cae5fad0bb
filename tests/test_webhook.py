"""The signed webhook, SNS, SES, the dead man's switch: what is sent, what each answer means."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_string
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.ses.models import ses_backends

from comparator.channels import aws, webhook
from comparator.channels.ping import FAILED, START, WELL, ping
from comparator.event import Event
from comparator.notice import Notice, Story
from pricebook.config import Secret
from pricebook.errors import ConfigError, DeliveryFailed

KEY = b"a secret of both"


@dataclass
class Server:
    """An HTTP server on loopback that answers `status` and keeps what it was asked."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    """One that says yes."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.asked.append((self.path, dict(self.headers), body))
            self.send_response(state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Quiet."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=running.serve_forever, args=(0.02,))
    thread.start()
    state.url = f"http://127.0.0.1:{running.server_port}/hooks/local-secret"
    yield state
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def hook(server: Server, monkeypatch: pytest.MonkeyPatch) -> webhook.SignedWebhook:
    """A webhook that leads there."""
    monkeypatch.setenv("TEST_URL", server.url)
    monkeypatch.setenv("TEST_SECRET", KEY.decode())
    return webhook.SignedWebhook(
        Secret("webhook url", env="TEST_URL"), Secret("webhook secret", env="TEST_SECRET")
    )


@pytest.fixture
def notice(noon: datetime) -> Notice:
    """Two events of one run."""
    events = (
        Event("e1", "pays", "fired", "firing", noon, "bot", severity="critical", since=noon),
        Event("e2", "Preise über 1", "price_changed", "changed", noon, text="größer\n<!channel>"),
    )
    return Notice(tuple(Story((event,)) for event in events))


def test_a_message_is_signed_over_its_id_its_time_and_its_bytes(
    server: Server, hook: webhook.SignedWebhook, notice: Notice
) -> None:
    """What docs/webhook.md tells a receiver to do accepts it."""
    webhook.send(hook, notice, datetime(2026, 11, 23, tzinfo=UTC))
    ((_, headers, body),) = server.asked
    signed = f"{notice.id}.{headers['Webhook-Timestamp']}.".encode() + body
    digest = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()

    assert headers["Webhook-Timestamp"] == "1795392000"
    assert (headers["Webhook-Id"], headers["Webhook-Signature"]) == (notice.id, f"v1,{digest}")
    assert [event["event"] for event in json.loads(body)["events"]] == ["e1", "e2"]
    assert json.loads(body)["text"] == "2 changes: 1 fired, 1 price changed"


def test_the_specifications_own_example_is_signed_as_it_says() -> None:
    """The vector of the Standard Webhooks specification (its reference libraries' tests)."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    found = webhook.signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(("secret", "key"), [("whsec_YWJj", b"abc"), ("abc", b"abc")])
def test_the_secret_may_be_any_text_or_base64(
    hook: webhook.SignedWebhook, monkeypatch: pytest.MonkeyPatch, secret: str, key: bytes
) -> None:
    """As the specification writes it, or as it stands."""
    monkeypatch.setenv("TEST_SECRET", secret)

    assert hook.key() == key


def test_a_secret_that_is_cut_off_is_told_without_it(
    hook: webhook.SignedWebhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What isn't base64 was copied wrongly."""
    monkeypatch.setenv("TEST_SECRET", "whsec_YWJ")

    with pytest.raises(ConfigError) as caught:
        hook.key()
    assert str(caught.value) == "webhook secret: what follows whsec_ is no base64"


@pytest.mark.parametrize(
    ("status", "permanent", "ambiguous"),
    [
        (301, True, False),
        (400, True, False),
        (410, True, False),
        (408, False, False),
        (429, False, False),
        (500, False, True),
        (503, False, True),
    ],
)
def test_an_answer_is_final_or_passes(
    server: Server,
    hook: webhook.SignedWebhook,
    notice: Notice,
    status: int,
    permanent: bool,
    ambiguous: bool,
) -> None:
    """As docs/webhook.md says."""
    server.status, server.headers = status, {"Retry-After": "17"}
    with pytest.raises(DeliveryFailed) as caught:
        webhook.send(hook, notice)
    error = caught.value

    assert (error.permanent, error.ambiguous, error.code) == (permanent, ambiguous, str(status))
    assert error.retry_after == 17
    assert "local-secret" not in str(error)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """moto in place of AWS."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


def test_a_topic_gets_the_text_and_what_filters_go_by(account: None, notice: Notice) -> None:
    """A queue behind the topic receives subject, text and attributes."""
    sns, sqs = (boto3.client(name, region_name="us-east-1") for name in ("sns", "sqs"))
    topic, queue = sns.create_topic(Name="alerts"), sqs.create_queue(QueueName="inbox")
    arn = "arn:aws:sqs:us-east-1:123456789012:inbox"
    sns.subscribe(TopicArn=topic["TopicArn"], Protocol="sqs", Endpoint=arn)
    receipt = aws.publish(aws.Topic(topic["TopicArn"]), notice)
    (message,) = sqs.receive_message(QueueUrl=queue["QueueUrl"])["Messages"]
    body = json.loads(message["Body"])

    assert receipt.words == body["MessageId"]
    assert body["Subject"] == "2 changes: 1 fired, 1 price changed"
    assert "größer <!channel>" in body["Message"]
    assert {name: one["Value"] for name, one in body["MessageAttributes"].items()} == {
        "event": notice.id,
        "kind": "price_changed",
        "severity": "critical",
    }


def test_a_topic_that_is_gone_is_final(account: None, notice: Notice) -> None:
    """AWS's own words are kept."""
    gone = aws.Topic("arn:aws:sns:us-east-1:123456789012:gone")
    with pytest.raises(DeliveryFailed, match="AWS answered NotFound: ") as caught:
        aws.publish(gone, notice)
    assert caught.value.permanent


def test_a_subject_is_ascii_and_short(notice: Notice) -> None:
    """SNS takes no other: letters that it doesn't know become question marks."""
    assert aws.subject("größer" * 40) == ("gr??er" * 17)[:96] + "..."


def test_ses_sends_the_same_mail(account: None, notice: Notice) -> None:
    """From a verified sender to all recipients; the thread is that of any mail of ours."""
    ses = boto3.client("ses", region_name="us-east-1")
    ses.verify_email_identity(EmailAddress="alerts@example.com")
    sender = aws.Sender("us-east-1", "alerts@example.com", ("a@example.com", "b@example.com"))
    receipt = aws.mail(sender, notice)

    (sent,) = ses_backends["123456789012"]["us-east-1"].sent_messages
    mail = message_from_string(sent.raw_data)
    assert (sent.source, sent.destinations[:2]) == ("alerts@example.com", list(sender.to))
    assert mail["Subject"] == "[breakeven] 2 changes"
    assert receipt.thread.startswith("<")


def test_an_unverified_sender_is_final(account: None, notice: Notice) -> None:
    """Trying again doesn't verify it."""
    sender = aws.Sender("us-east-1", "alerts@example.com", ("a@example.com",))
    with pytest.raises(DeliveryFailed, match="AWS answered MessageRejected") as caught:
        aws.mail(sender, notice)
    assert caught.value.permanent


def test_without_an_account_nothing_is_asked(notice: Notice) -> None:
    """It may be there later: the message waits."""
    with pytest.raises(DeliveryFailed, match="AWS wasn't asked: Unable to locate cred") as caught:
        aws.publish(aws.Topic("arn:aws:sns:us-east-1:123456789012:alerts"), notice)
    assert not caught.value.permanent


@pytest.mark.parametrize("signal", [START, WELL, FAILED])
def test_the_switch_is_told_by_its_paths(
    server: Server, monkeypatch: pytest.MonkeyPatch, signal: str
) -> None:
    """/start, nothing and /fail after the address, with what went wrong as the body."""
    monkeypatch.setenv("TEST_URL", server.url)
    words: Any = "the database failed" if signal == FAILED else ""
    ping(Secret("ping", env="TEST_URL"), signal, words)

    assert [(path, body) for path, _, body in server.asked] == [
        (f"/hooks/local-secret{signal}", words.encode())
    ]


def test_a_switch_that_refuses_says_so_without_its_address(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A removed check is a warning in the log, not the end of the work."""
    monkeypatch.setenv("TEST_URL", server.url)
    server.status = 404

    with pytest.raises(DeliveryFailed, match="^the dead man's switch answered 404: $"):
        ping(Secret("ping", env="TEST_URL"), WELL)
