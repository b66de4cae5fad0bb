"""E-mail: what is rendered, and what becomes of every reply of a mail server."""

import base64
import socket
import ssl
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from breakeven.demo.sinks import MailSink
from comparator.channels import Receipt, chart, email
from comparator.event import Cause, Event, Range
from comparator.notice import Notice, Point, Story
from pricebook.config import Secret
from pricebook.errors import ConfigError, DeliveryFailed

FROM, TO = "alerts@example.com", "finops@example.com"

FIRED = Event(
    id="01J9-fired",
    rule="self-hosting pays",
    kind="fired",
    state="firing",
    at=datetime(2026, 8, 21, 14, 5, tzinfo=UTC),
    workload="support bot",
    threshold="ratio falls below 1",
    since=datetime(2026, 8, 21, 8, tzinfo=UTC),
    before=Range(Decimal("1.02"), Decimal("1.04"), Decimal("1.06")),
    after=Range(Decimal("0.90"), Decimal("0.93"), Decimal("0.97")),
    costs={"self-hosting": Range(Decimal("40"), Decimal("41.5"), Decimal("43"))},
    cost_unit="USD per run",
    verdict="self-hosting is cheaper",
    why=(
        Cause(
            input="price of the machine",
            before="21.96 USD/hour",
            after="19.22 USD/hour",
            share=Decimal("1"),
            evidence={"quoted": "$19.22", "url": "https://prices.example/p4d?a=1&b=2"},
        ),
    ),
)


def rendered(event: Event = FIRED, **parts: Any) -> EmailMessage:
    """The mail of an event to one person."""
    return email.render(Notice((Story((event,)),), **parts), FROM, [TO])


def part(message: EmailMessage, kind: str) -> str:
    """The text or the HTML of a mail, with its line ends as they are in Python."""
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def test_the_text_says_what_crossed_why_and_where_to_look() -> None:
    """A reader without HTML misses nothing."""
    assert part(rendered(), "plain") == (
        "Fired: self-hosting pays, support bot: ratio 0.93, was 1.04\n"
        "\n"
        "Crossed the threshold. Now self-hosting is cheaper.\n"
        "\n"
        "Ratio now:    0.93 (0.9 to 0.97)\n"
        "Ratio before: 1.04 (1.02 to 1.06)\n"
        "Self-hosting: 41.5 (40 to 43) USD per run\n"
        "Rule:         self-hosting pays\n"
        "Threshold:    ratio falls below 1\n"
        "Workload:     support bot\n"
        "Since:        2026-08-21 08:00 UTC\n"
        "Seen:         2026-08-21 14:05 UTC\n"
        "Severity:     warn\n"
        "\n"
        "What moved it:\n"
        "- price of the machine: 21.96 USD/hour → 19.22 USD/hour (100 % of the change)\n"
        "  “$19.22”\n"
        "  https://prices.example/p4d?a=1&b=2\n"
        "\n"
        "More: breakeven explain 'support bot' --as-of 2026-08-21T14:05:00Z\n"
        "Silence: breakeven alerts silence 'self-hosting pays' --for 7d --reason WHY\n"
        "\n"
        "Event 01J9-fired\n"
    )


def test_the_html_says_the_same() -> None:
    """Every value of the text stands in the HTML too, and the page that was read is a link."""
    page = part(rendered(), "html")

    for words in (
        "Fired: self-hosting pays, support bot: ratio 0.93, was 1.04",
        "0.93 (0.9 to 0.97)",
        "41.5 (40 to 43) USD per run",
        "price of the machine: 21.96 USD/hour → 19.22 USD/hour (100 % of the change)",
        'href="https://prices.example/p4d?a=1&amp;b=2"',
        "breakeven explain &#x27;support bot&#x27; --as-of 2026-08-21T14:05:00Z",
        "Event 01J9-fired",
    ):
        assert words in page


def test_an_episode_is_one_thread() -> None:
    """Fired and resolved share Subject and References, and differ in Message-ID."""
    fired, over = rendered(), rendered(replace(FIRED, id="2", kind="resolved", state="ok"))

    assert fired["Subject"] == over["Subject"] == "[breakeven] self-hosting pays: support bot"
    assert fired["References"] == fired["In-Reply-To"] == over["References"]
    assert fired["Message-ID"] != over["Message-ID"]


def test_the_next_episode_is_another_thread() -> None:
    """The same rule, fired again later, doesn't hang below last year's mail."""
    later = rendered(replace(FIRED, since=datetime(2026, 9, 1, tzinfo=UTC)))

    assert later["References"] != rendered()["References"]


def test_a_repeat_has_the_same_id_and_says_so() -> None:
    """A mail client can drop the second copy, and a person can tell that it is one."""
    repeat = rendered(repeat=True)

    assert repeat["Message-ID"] == rendered()["Message-ID"]
    assert "Possible repeat" in part(repeat, "plain")
    assert "01J9-fired" in part(repeat, "html")


def test_it_is_marked_as_written_by_a_machine() -> None:
    """Out-of-office replies stay away, and filters have a name to go by."""
    assert rendered()["Auto-Submitted"] == "auto-generated"
    assert rendered()["List-Id"] == "breakeven alerts <alerts.breakeven.example.com>"


def test_no_text_becomes_a_header_or_an_element() -> None:
    """Line ends stay out of headers, and tags of a page are shown, not obeyed."""
    hostile = "x\r\nBcc: victim@example.com\r\n\r\n<script>alert(1)</script>"
    mail = rendered(replace(FIRED, rule=hostile, why=(Cause(hostile, "1", "2", None),)))

    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("[breakeven] x Bcc: victim@example.com")
    assert "<script" not in part(mail, "html")


def test_causes_beyond_twenty_are_counted() -> None:
    """A mail stays below the size at which Gmail cuts it."""
    many = tuple(Cause(f"input {number}", "1", "2", None) for number in range(33))
    mail = rendered(replace(FIRED, why=many))

    assert "\n+13 more\n" in part(mail, "plain")
    assert "+13 more" in part(mail, "html")
    assert "input 20" not in part(mail, "html")


def mailbox(port: int, **changes: object) -> email.Mailbox:
    """A mailbox on loopback, in clear unless told otherwise."""
    plain = email.Mailbox(
        where="[[receiver]] email",
        host="127.0.0.1",
        port=port,
        security="none",
        sender=FROM,
        to=(TO,),
    )
    return replace(plain, **changes)


def deliver(box: email.Mailbox, *recipients: str) -> Receipt:
    """One delivery of the example."""
    return email.send(box, rendered(), recipients or box.to)


def refused(box: email.Mailbox, *recipients: str) -> DeliveryFailed:
    """The error of one delivery."""
    with pytest.raises(DeliveryFailed) as caught:
        deliver(box, *recipients)
    return caught.value


def test_a_mail_arrives_with_envelope_and_date() -> None:
    """The server's yes is the receipt."""
    with MailSink() as sink:
        receipt = deliver(mailbox(sink.port))
    mail = sink.mails[0]

    assert (receipt.code, receipt.words, receipt.outstanding) == ("250", "OK", ())
    assert (mail.sender, mail.recipients) == (FROM, (TO,))
    assert mail.message["Message-ID"] == rendered()["Message-ID"]
    assert mail.message["Date"].datetime.tzinfo is not None
    assert part(mail.message, "plain") == part(rendered(), "plain")


def test_one_refused_recipient_does_not_block_the_others() -> None:
    """It is delivered to the rest, and the receipt shows who was refused and why."""
    with MailSink(refuse={"gone@example.com": "550 5.1.1 no such user"}) as sink:
        receipt = deliver(mailbox(sink.port), "gone@example.com", TO)

    assert receipt.words == "gone@example.com: 550 5.1.1 no such user"
    assert receipt.outstanding == ()
    assert [mail.recipients for mail in sink.mails] == [(TO,)]


def test_a_recipient_who_is_to_come_back_later_is_outstanding() -> None:
    """A 4xx for one of them is tried again, without a second copy for the others."""
    with MailSink(refuse={"busy@example.com": "450 try later"}) as sink:
        receipt = deliver(mailbox(sink.port), "busy@example.com", TO)

    assert receipt.outstanding == ("busy@example.com",)


@pytest.mark.parametrize("answer", ["550 no such user", "553 not allowed", "552 mailbox full"])
def test_a_recipient_refused_for_good_is_permanent(answer: str) -> None:
    """When nobody is left, a 5xx is the end of it."""
    with MailSink(refuse={TO: answer}) as sink:
        error = refused(mailbox(sink.port))

    assert (error.permanent, error.code) == (True, answer[:3])
    assert str(error) == f"127.0.0.1 refused {TO}: {answer}"


@pytest.mark.parametrize(
    ("answer", "permanent"), [("450 greylisted", False), ("451 local error", False)]
)
def test_a_recipient_refused_for_now_is_not_permanent(answer: str, permanent: bool) -> None:
    """A 4xx is an invitation to come back."""
    with MailSink(refuse={TO: answer}) as sink:
        error = refused(mailbox(sink.port))

    assert (error.permanent, error.ambiguous, error.code) == (permanent, False, answer[:3])


def test_nobody_taken_but_one_may_be_later_is_not_permanent() -> None:
    """The message is given up only when all recipients are."""
    with MailSink(refuse={"gone@example.com": "550 no", TO: "450 later"}) as sink:
        error = refused(mailbox(sink.port), "gone@example.com", TO)

    assert not error.permanent
    assert str(error) == f"127.0.0.1 refused gone@example.com: 550 no; {TO}: 450 later"


@pytest.mark.parametrize(
    ("answer", "permanent"),
    [("554 looks like spam", True), ("552 too big", True), ("451 try again", False)],
)
def test_a_refusal_of_the_content_is_an_answer(answer: str, permanent: bool) -> None:
    """A no after the message is a no, not a doubt."""
    with MailSink(answer=answer) as sink:
        error = refused(mailbox(sink.port))

    assert (error.permanent, error.ambiguous) == (permanent, False)
    assert str(error) == f"127.0.0.1 refused the message: {answer}"


def test_a_connection_lost_after_the_message_may_be_a_delivery() -> None:
    """Between the last dot and the server's yes nobody knows who has the message."""
    with MailSink(answer="close") as sink:
        error = refused(mailbox(sink.port))

    assert (error.ambiguous, error.permanent) == (True, False)


def test_a_refused_connection_was_never_a_delivery() -> None:
    """Nothing was sent, and the system's words say why."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = refused(mailbox(port))

    assert (error.ambiguous, error.permanent, error.code) == (False, False, "")
    assert str(error) == "127.0.0.1: Connection refused; nothing was sent"


class Script:
    """A server that says its lines one by one, whatever it hears, and keeps what it hears."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        self.heard = b""

    def __enter__(self) -> int:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return int(self._listener.getsockname()[1])

    def __exit__(self, *error: object) -> None:
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            for line in self.lines:
                connection.sendall(line.encode() + b"\r\n")
                self.heard += connection.recv(65536)
            while more := connection.recv(65536):
                self.heard += more


def test_silence_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that never greets holds nobody longer than the limit, and got nothing."""
    monkeypatch.setattr(email, "_STEP_SECONDS", 0.1)
    with Script() as port:
        error = refused(mailbox(port))

    assert (error.ambiguous, error.permanent) == (False, False)
    assert str(error) == "127.0.0.1: Connection unexpectedly closed: timed out; nothing was sent"


def test_the_whole_exchange_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slowly a server talks on, after the limit the outcome is open."""
    monkeypatch.setattr(email, "TOTAL_SECONDS", 0.2)
    monkeypatch.setattr(email, "_STEP_SECONDS", 0.6)
    with Script("220 hello", "250 welcome") as port:
        error = refused(mailbox(port))

    assert error.ambiguous
    assert str(error) == "127.0.0.1: no answer within 0.2 s"


def test_a_server_that_offers_no_tls_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """`starttls` is a demand: without it there is no login and no message."""
    script = Script("220 hello", "250-hello\r\n250 AUTH LOGIN")
    with script as port:
        error = refused(with_password(mailbox(port, security="starttls"), monkeypatch))

    assert str(error) == "127.0.0.1: STARTTLS extension not supported by server; nothing was sent"
    assert not error.ambiguous
    assert_unheard(script.heard)


def test_a_certificate_that_nobody_vouches_for_gets_nothing(
    monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]
) -> None:
    """STARTTLS with a self-signed certificate ends before login and message."""
    with MailSink(tls=server_side(certificate), login=("bot", "pa55word")) as sink:
        error = refused(with_password(mailbox(sink.port, security="starttls"), monkeypatch))

    assert str(error).startswith("127.0.0.1: its certificate is not valid (self")
    assert (error.ambiguous, error.permanent) == (False, False)
    assert sink.mails == []
    assert sink.logins == []


def test_a_certificate_for_another_name_gets_nothing(
    monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]
) -> None:
    """A trusted certificate of somebody else is no better."""
    with MailSink(tls=server_side(certificate)) as sink:
        box = mailbox(sink.port, security="starttls", host="localhost", ca_file=certificate[0])
        error = refused(box)

    assert "certificate is not valid (Hostname mismatch" in str(error)
    assert sink.mails == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_login_and_message_go_through_tls(
    security: str, monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]
) -> None:
    """With the company's own authority the password is sent, inside TLS."""
    implicit = security == "tls"
    context = server_side(certificate)
    with MailSink(tls=context, login=("bot", "pa55word"), implicit_tls=implicit) as sink:
        box = mailbox(sink.port, security=security, ca_file=certificate[0])
        receipt = deliver(with_password(box, monkeypatch))

    assert receipt.code == "250"
    assert [mail.encrypted for mail in sink.mails] == [True]


def test_a_refused_login_is_permanent_and_keeps_the_password(
    monkeypatch: pytest.MonkeyPatch, certificate: tuple[Path, Path]
) -> None:
    """535 won't get better by trying again, which would lock the account."""
    with MailSink(tls=server_side(certificate), login=("bot", "another")) as sink:
        box = mailbox(sink.port, security="starttls", ca_file=certificate[0])
        error = refused(with_password(box, monkeypatch))

    assert (error.permanent, error.code) == (True, "535")
    assert str(error).startswith("127.0.0.1 refused the login: 535 ")
    assert "pa55word" not in str(error)


def test_a_server_that_repeats_the_password_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Errors are stored and shown; a password in them would be too."""
    with Script(
        "220 hello", "250-hello\r\n250 AUTH LOGIN", "334 ", "535 pa55word is wrong"
    ) as port:
        error = refused(with_password(mailbox(port), monkeypatch))

    assert str(error) == "127.0.0.1 refused the login: 535 *** is wrong"


def test_a_login_that_fails_for_now_is_not_permanent(monkeypatch: pytest.MonkeyPatch) -> None:
    """454 says that the server's directory is away, not that the password is wrong."""
    with Script("220 hello", "250-hello\r\n250 AUTH LOGIN", "334 ", "454 try later") as port:
        error = refused(with_password(mailbox(port), monkeypatch))

    assert (error.permanent, error.code) == (False, "454")


def test_a_password_that_smtp_can_not_carry_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's login sends ASCII only: a sentence instead of a traceback, without the password."""
    with Script("220 hello", "250-hello\r\n250 AUTH LOGIN", "334 ") as port:
        box = with_password(mailbox(port), monkeypatch)
        monkeypatch.setenv("TEST_PASSWORD", "pässword")
        error = refused(box)

    assert str(error) == (
        "127.0.0.1: smtp, user or password has characters that can't be sent; nothing was sent"
    )


def test_an_authority_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The sentence says which file is missing, and nothing is sent."""
    missing = tmp_path / "ca.pem"
    with (
        MailSink() as sink,
        pytest.raises(ConfigError, match=r"ca\.pem can't be used: No such file"),
    ):
        deliver(mailbox(sink.port, security="starttls", ca_file=missing))


def with_password(box: email.Mailbox, monkeypatch: pytest.MonkeyPatch) -> email.Mailbox:
    """The same mailbox with a login."""
    monkeypatch.setenv("TEST_PASSWORD", "pa55word")
    return replace(box, user="bot", password=Secret("email password", env="TEST_PASSWORD"))


def assert_unheard(heard: bytes) -> None:
    """Neither the password, in any form that SMTP gives it, nor a message was sent."""
    assert b"pa55word" not in heard
    assert base64.b64encode(b"pa55word") not in heard
    assert base64.b64encode(b"\0bot\0pa55word") not in heard
    assert b"AUTH" not in heard
    assert b"MAIL" not in heard


def server_side(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    """What a server with this certificate needs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, as files."""
    folder = tmp_path_factory.mktemp("certificate")
    files = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=sink.invalid", "-addext", "subjectAltName=IP:127.0.0.1"]
    paths = ["-out", files[0], "-keyout", files[1]]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run([*command, *subject, *paths], check=True, capture_output=True)
    return files


POINTS = tuple(
    Point(FIRED.at.replace(day=day), Range.exactly(Decimal(ratio)))
    for day, ratio in ((1, "1.2"), (11, "1.1"), (21, "0.93"))
)


def charted(*events: Event) -> EmailMessage:
    """A mail as a client parses it, with a chart for each event."""
    notice = Notice(tuple(Story((event,), POINTS) for event in events))
    sent = email.render(notice, FROM, [TO]).as_bytes()
    return message_from_bytes(sent, policy=policy.default)


def test_a_client_finds_text_page_and_picture() -> None:
    """multipart/alternative of a text and of HTML with its inline picture, by Content-ID."""
    mail = charted(FIRED)
    kinds = [one.get_content_type() for one in mail.walk()]
    picture = next(one for one in mail.walk() if one.get_content_type() == "image/png")

    assert kinds == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
    ]
    assert picture.get_content().startswith(b"\x89PNG")
    assert f'src="cid:{picture["Content-ID"][1:-1]}"' in part(mail, "html")
    assert 'alt="Ratio of support bot, 2026-08-01 to 2026-08-21"' in part(mail, "html")
    assert len(mail.as_bytes()) < 100_000


def test_several_stories_are_one_mail_in_a_thread_of_their_own() -> None:
    """Each with its own picture; the end of one of them is sent into the same thread."""
    other = replace(FIRED, id="2", rule="another")
    mail = charted(FIRED, other)
    over = replace(other, id="3", kind="resolved", state="ok")
    reply = rendered(over, thread=email.thread_of(mail))

    assert sum(one.get_content_type() == "image/png" for one in mail.walk()) == 2
    assert part(mail, "plain").startswith("2 changes: 2 fired\n")
    assert reply["References"] == mail["References"] != rendered()["References"]
    assert reply["Subject"] == mail["Subject"]


def test_a_thread_that_is_none_is_not_believed() -> None:
    """What stands in the database goes into a header only when it has the form of our own."""
    forged = rendered(thread="<x>\r\nBcc: victim@example.com re: hello")

    assert forged["References"] == rendered()["References"]
    assert forged["Bcc"] is None


HOSTILE = ["<!channel>", "a\r\nBcc: x@example.com", "\u202eevil\u2066", "x" * 10_000, "<" * 10_000]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:5].encode("ascii", "replace"))
def test_hostile_names_add_no_header_and_break_no_table(text: str) -> None:
    """Wherever a page's text stands, the headers are those of any mail and the tags are ours."""
    cause = Cause(text, text, text, Decimal("0.5"), dict.fromkeys(("quoted", "where", "url"), text))
    plain = replace(FIRED, flips=("x",))
    event = replace(
        plain, id="h", rule=text, workload=text, verdict=text, why=(cause,) * 30, flips=(text,) * 4
    )
    mail, usual = charted(event), charted(replace(plain, why=(Cause("x", "1", "2", None),) * 30))
    page = part(mail, "html")

    assert mail.keys() == usual.keys()
    assert "\u202e" not in page
    assert page.count("<table") == page.count("</table") == part(usual, "html").count("<table")
    assert len(page) < 102_000


def test_without_matplotlib_bars_take_the_place_of_the_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The extra `charts` may be missing: the mail is whole all the same."""
    monkeypatch.setattr(chart, "find_spec", lambda name: None)
    mail = charted(FIRED)

    assert "<img" not in part(mail, "html")
    assert 'bgcolor="#2e7d32"' in part(mail, "html")
