"""E-mail: an event as text and HTML that old Outlooks can show, and one SMTP transaction of it.

A password goes out only inside TLS with a checked certificate, or to this same machine.
Replies: RFC 5321; threads: RFC 5322 section 3.6.4; Auto-Submitted: RFC 3834; List-Id: RFC 2919.
"""

from __future__ import annotations

import hashlib
import re
import smtplib
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from pathlib import Path
from typing import cast

from comparator.channels import Receipt, chart, is_loopback, within, wording
from comparator.event import Cause, Event
from comparator.notice import Notice, Story, episode
from pricebook.config import Secret
from pricebook.errors import ConfigError, DeliveryFailed

SECURITIES = {"tls": 465, "starttls": 587, "none": 25}
"""How the connection is protected, and the usual port; never "whatever the server offers"."""

TOTAL_SECONDS = 120.0
"""For a whole delivery, from the name look-up to the server's word that it has the message."""

_STEP_SECONDS = 60.0

_SUBJECT, _LINE, _SUMMARY = 120, 300, 1_000
"""Characters of the subject, of a line and of a paragraph."""

_CAUSES, _STORIES, _PICTURES = 20, 12, 6
"""Shown of each: Gmail cuts HTML at about 102 KB."""

_ROOT = re.compile(r"<[0-9a-f]+\.episode@[^<>\s]+>")

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")

_OK, _TAKEN, _PERMANENT = 250, frozenset({250, 251}), 500

_FONT = "font-family:Arial,Helvetica,sans-serif"
_HEAD = f"{_FONT};font-size:20px;margin:0 0 8px 0"
_TITLE = f"{_FONT};font-size:18px;margin:24px 0 8px 0"
_SMALL_TITLE = f"{_FONT};font-size:15px;margin:16px 0 4px 0"
_BODY = f"{_FONT};font-size:14px;margin:8px 0"
_MUTED = f"{_FONT};font-size:12px;color:#666666"
_CELL = f"{_FONT};font-size:14px;padding:4px 12px 4px 0;vertical-align:top"
_TABLE = 'border="0" cellpadding="0" cellspacing="0"'
_BAR_PIXELS = 320


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mail server, and who writes to whom through it. `user` and `password` come together."""

    where: str
    host: str
    port: int
    security: str
    sender: str
    to: tuple[str, ...]
    user: str = ""
    password: Secret | None = None
    ca_file: Path | None = None

    def __post_init__(self) -> None:
        """ConfigError for what is no address, and for a password that would go out in clear."""
        check_addresses(self.where, self.sender, self.to)
        if self.password and self.security == "none" and not is_loopback(self.host):
            raise ConfigError(
                f'{self.where}: security = "none" would send the password in clear;'
                ' write "tls" or "starttls"'
            )

    def deliver(self, notice: Notice, only: Sequence[str] | None) -> Receipt:
        """Mail it."""
        return send(self, render(notice, self.sender, self.to), self.to if only is None else only)

    def ready(self) -> str:
        """That the password is there, where one is set."""
        if self.password:
            self.password.reveal()
        return f"mail to {', '.join(self.to)} by {self.host}, security {self.security}"


def check_addresses(where: str, sender: str, to: Sequence[str]) -> None:
    """ConfigError for what is no address, and when there is nobody to write to."""
    for address in (sender, *to):
        if not _ADDRESS.fullmatch(address):
            raise ConfigError(f"{where}: {address!r} is not a mail address")
    if not to:
        raise ConfigError(f"{where}: to is empty; name at least one address")


def render(notice: Notice, sender: str, to: Sequence[str]) -> EmailMessage:
    """The message without its Date: the same notice to the same people has the same Message-ID.

    Subject and References are those of the episode (rule, workload, since), so that what was
    fired and what became of it stand in one thread; those of several episodes have a thread of
    their own, which `notice.thread` leads back to (see `thread_of`).
    """
    domain = sender.rpartition("@")[2]
    thread, subject = _conversation(notice, domain)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject
    message["From"] = Address("breakeven", addr_spec=sender)
    message["To"] = [Address(addr_spec=address) for address in to]
    message["Message-ID"] = f"<{_digest(notice.id, *to)}.event@{domain}>"
    message["In-Reply-To"] = message["References"] = thread
    message["Auto-Submitted"] = "auto-generated"
    message["List-Id"] = f"breakeven alerts <alerts.breakeven.{domain}>"
    message["X-Breakeven-Event"] = _header(notice.id)
    message.set_content(text(notice), cte="quoted-printable")
    charts = dict(_charts(notice, domain))
    message.add_alternative(_html(notice, charts), subtype="html", cte="quoted-printable")
    for chart_id, picture in charts.values():
        page = cast(EmailMessage, message.get_payload(1))
        page.add_related(picture, "image", "png", cid=chart_id, filename="ratio.png")
    return message


def thread_of(message: EmailMessage) -> str:
    """What a receipt keeps, so that a later notice finds the thread again."""
    return f"{message['References']} {message['Subject']}"


def send(mailbox: Mailbox, message: EmailMessage, recipients: Sequence[str]) -> Receipt:
    """One SMTP transaction for `recipients`; DeliveryFailed when none of them was taken.

    Some refused, others taken: the receipt says who, and whom to try again later.
    """
    password = mailbox.password.reveal() if mailbox.password else ""
    del message["Date"]
    message["Date"] = format_datetime(datetime.now(UTC))
    content = message.as_bytes()
    try:
        receipt = within(TOTAL_SECONDS, lambda: _deliver(mailbox, password, content, recipients))
        return replace(receipt, thread=thread_of(message))
    except TimeoutError as error:
        raise DeliveryFailed(f"{mailbox.host}: {error}", ambiguous=True) from None


def _deliver(mailbox: Mailbox, password: str, content: bytes, recipients: Sequence[str]) -> Receipt:
    try:
        with closing(_connected(mailbox)) as connection:
            if password:
                connection.login(mailbox.user, password)
            receipt = _hand_over(connection, mailbox, content, recipients)
            with suppress(OSError):
                connection.quit()
            return receipt
    except (OSError, UnicodeError) as error:
        raise _failure(mailbox.host, error, password) from None


def _connected(mailbox: Mailbox) -> smtplib.SMTP:
    # To our own machine we need no name, and without a network looking it up takes long.
    ourselves = "localhost" if is_loopback(mailbox.host) else None
    where = (mailbox.host, mailbox.port, ourselves)
    if mailbox.security == "tls":
        return smtplib.SMTP_SSL(*where, timeout=_STEP_SECONDS, context=_context(mailbox))
    connection = smtplib.SMTP(*where, timeout=_STEP_SECONDS)
    try:
        if mailbox.security == "starttls":
            connection.starttls(context=_context(mailbox))
    except BaseException:
        connection.close()
        raise
    return connection


def _context(mailbox: Mailbox) -> ssl.SSLContext:
    """Without one smtplib checks no certificate at all."""
    try:
        return ssl.create_default_context(cafile=mailbox.ca_file)
    except OSError as error:
        reason = error.strerror or "no certificate in it"
        raise ConfigError(
            f"{mailbox.where}: ca_file {mailbox.ca_file} can't be used: {reason}"
        ) from None


def _hand_over(
    connection: smtplib.SMTP, mailbox: Mailbox, content: bytes, recipients: Sequence[str]
) -> Receipt:
    """MAIL, RCPT, DATA: smtplib's own `sendmail` doesn't tell where the conversation broke off."""
    connection.ehlo_or_helo_if_needed()
    code, reply = connection.mail(mailbox.sender)
    if code != _OK:
        raise _refusal(mailbox.host, {mailbox.sender: (code, reply)})
    answers = {recipient: connection.rcpt(recipient) for recipient in recipients}
    refused = {who: answer for who, answer in answers.items() if answer[0] not in _TAKEN}
    if len(refused) == len(answers):
        raise _refusal(mailbox.host, refused)
    code, reply = _written(connection, mailbox.host, content)
    later = tuple(who for who, (code, _) in refused.items() if code < _PERMANENT)
    words = _listed(refused) if refused else _words(reply)
    return Receipt(str(code), words, later)


def _written(connection: smtplib.SMTP, host: str, content: bytes) -> tuple[int, bytes]:
    """DATA; from here on silence proves nothing, while an answer still says yes or no."""
    try:
        code, reply = connection.data(content)
    except smtplib.SMTPDataError as error:
        raise _refusal(host, {"the message": (error.smtp_code, error.smtp_error)}) from None
    except OSError as error:
        said = f"{host} broke off after the message: {_reason(error)}"
        raise DeliveryFailed(said, ambiguous=True) from None
    if code != _OK:
        raise _refusal(host, {"the message": (code, reply)})
    return code, reply


def _refusal(host: str, refused: Mapping[str, tuple[int, bytes | str]]) -> DeliveryFailed:
    codes = [code for code, _ in refused.values()]
    return DeliveryFailed(
        f"{host} refused {_listed(refused)}",
        permanent=min(codes) >= _PERMANENT,
        code=str(codes[0]),
    )


def _failure(host: str, error: Exception, password: str) -> DeliveryFailed:
    """Before DATA nothing was sent, whatever went wrong."""
    if isinstance(error, smtplib.SMTPResponseException):
        denied = isinstance(error, smtplib.SMTPAuthenticationError)
        said = f"{error.smtp_code} {_words(error.smtp_error)}"
        return DeliveryFailed(
            f"{host} {'refused the login' if denied else 'answered'}: {_hidden(said, password)}",
            permanent=denied and error.smtp_code >= _PERMANENT,
            code=str(error.smtp_code),
        )
    return DeliveryFailed(f"{host}: {_reason(error)}; nothing was sent")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(error, UnicodeError):
        return "smtp, user or password has characters that can't be sent"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return wording.clean(str(error), _LINE).rstrip(".") or type(error).__name__


def _hidden(said: str, password: str) -> str:
    return said.replace(password, "***") if password else said


def _listed(refused: Mapping[str, tuple[int, bytes | str]]) -> str:
    return "; ".join(f"{who}: {code} {_words(reply)}" for who, (code, reply) in refused.items())


def _words(reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return wording.clean(text, _LINE)


def _conversation(notice: Notice, domain: str) -> tuple[str, str]:
    """The id that all messages of a thread refer to, and their subject."""
    root, _, subject = notice.thread.partition(" ")
    if _ROOT.fullmatch(root) and subject:
        return root, _header(subject)
    episodes = dict.fromkeys(episode(event) for event in notice.events)
    key = _digest(*(part for one in episodes for part in one))
    if len(episodes) > 1:
        when = f", {wording.moment(notice.written_at)}" if notice.written_at else ""
        words = f"{len(episodes)} changes{when}"
    else:
        event = notice.stories[0].event
        words = ": ".join(filter(None, (event.rule, event.workload)))
    return f"<{key}.episode@{domain}>", _header(f"[breakeven] {_line(words)}")


def _header(text: str) -> str:
    # Python decodes an encoded word in it, line ends and all, and before 3.11.10 and 3.12.5 it
    # writes those as they are: what follows would be a header of its own.
    return wording.clean(text, _SUBJECT).replace("=?", "= ?")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def text(notice: Notice) -> str:
    """The whole message as plain text."""
    several = len(notice.stories) > 1
    blocks = [_line(wording.title(notice))] if several else []
    for story in notice.stories[:_STORIES]:
        blocks += _story_text(story)
    blocks.append("\n".join([*_more(notice.stories, _STORIES), _line(wording.reference(notice))]))
    return "\n\n".join(block for block in blocks if block) + "\n"


def _story_text(story: Story) -> list[str]:
    event = story.event
    width = max(len(label) for label, _ in wording.facts(event)) + 1
    rows = [f"{label + ':':{width}} {_line(value)}" for label, value in wording.facts(event)]
    causes = [f"- {_movement_text(cause)}" for cause in event.why[:_CAUSES]]
    why = ["What moved it:", *causes, *_more(event.why, _CAUSES)] if causes else []
    commands = [("More", wording.followup(event)), ("Silence", wording.hush(event))]
    return [
        _line(wording.headline(event)),
        wording.clean(wording.summary(story), _SUMMARY),
        "\n".join(rows),
        _line(wording.course(story.points, event.at)),
        "\n".join(why),
        wording.clean(wording.back(event), _SUMMARY),
        "\n".join(f"{label}: {_line(words)}" for label, words in commands if words),
    ]


def _movement_text(cause: Cause) -> str:
    lines = [wording.movement(cause), wording.source(cause), wording.address(cause)]
    return "\n  ".join(_line(line) for line in lines if line)


def _more(all_of_it: Sequence[object], shown: int) -> list[str]:
    hidden = len(all_of_it) - shown
    return [f"+{hidden} more"] if hidden > 0 else []


def _line(text: str) -> str:
    return wording.clean(text, _LINE)


def _charts(notice: Notice, domain: str) -> Iterator[tuple[int, tuple[str, bytes]]]:
    """By the number of the story: the Content-ID of its picture, and the picture."""
    for number, story in enumerate(notice.stories[:_PICTURES]):
        picture = chart.draw(story)
        if picture:
            yield number, (f"<{_digest(notice.id, str(number))}.chart@{domain}>", picture)


def _html(notice: Notice, charts: Mapping[int, tuple[str, bytes]]) -> str:
    """Tables and inline styles only: Outlook shows HTML with Word's engine."""
    several = len(notice.stories) > 1
    parts = [f'<h1 style="{_HEAD}">{_safe(wording.title(notice))}</h1>'] if several else []
    for number, story in enumerate(notice.stories[:_STORIES]):
        parts += _story_html(story, charts[number][0] if number in charts else "")
    parts += [f'<p style="{_BODY}">{words}</p>' for words in _more(notice.stories, _STORIES)]
    parts.append(f'<p style="{_MUTED}">{_safe(wording.reference(notice))}</p>')
    body = "\n".join(part for part in parts if part)
    return f'<!DOCTYPE html>\n<html><body style="margin:16px">\n{body}\n</body></html>\n'


def _story_html(story: Story, chart_id: str) -> list[str]:
    event = story.event
    rows = [_row(label, _safe(value)) for label, value in wording.facts(event)]
    causes = [_row("•", _movement_html(cause)) for cause in event.why[:_CAUSES]]
    causes += [_row("", more) for more in _more(event.why, _CAUSES)]
    commands = [("More", wording.followup(event)), ("Silence", wording.hush(event))]
    return [
        f'<h2 style="{_TITLE}">{_safe(wording.headline(event))}</h2>',
        f'<p style="{_BODY}">{_safe(wording.summary(story), _SUMMARY)}</p>',
        _picture(story, chart_id) if chart_id else _bars(event),
        _table(rows),
        f'<h3 style="{_SMALL_TITLE}">What moved it</h3>{_table(causes)}' if causes else "",
        f'<p style="{_BODY}">{_safe(wording.back(event), _SUMMARY)}</p>' if event.flips else "",
        _table(_row(label, f"<code>{_safe(words)}</code>") for label, words in commands if words),
    ]


def _picture(story: Story, chart_id: str) -> str:
    size = f'width="{chart.WIDTH}" height="{chart.HEIGHT}"'
    alt = f'alt="{_safe(chart.title(story))}"'
    style = "display:block;border:0;width:100%;max-width:600px;height:auto"
    return f'<p style="{_BODY}"><img src="cid:{chart_id[1:-1]}" {size} {alt} style="{style}"></p>'


def _movement_html(cause: Cause) -> str:
    url = wording.address(cause)
    notes = [_safe(wording.source(cause))] if wording.source(cause) else []
    if url:
        notes.append(f'<a href="{escape(url)}" style="color:#1a56b0">{_safe(url)}</a>')
    small = "".join(f'<br><span style="{_MUTED}">{note}</span>' for note in notes)
    return f"{_safe(wording.movement(cause))}{small}"


def _bars(event: Event) -> str:
    """The ratio before and now as two bars, drawn as table cells because pictures are blocked."""
    pairs = [("Before", event.before), ("Now", event.after)]
    points = [(label, ratio.point) for label, ratio in pairs if ratio is not None]
    longest = max((point for _, point in points), default=Decimal(0))
    if longest == 0:
        return ""
    return _table([_row(label, _bar(point, point / longest)) for label, point in points])


def _bar(point: Decimal, part: Decimal) -> str:
    width = max(1, int(part * _BAR_PIXELS))
    colour = "#2e7d32" if point < 1 else "#b26a00"
    filled = f'<td width="{width}" height="14" bgcolor="{colour}" style="font-size:1px">&nbsp;</td>'
    label = f'<td style="{_CELL};padding-left:8px">{wording.figure(point)}</td>'
    return f'<table role="presentation" {_TABLE}><tr>{filled}{label}</tr></table>'


def _table(rows: Iterable[str]) -> str:
    return f'<table role="presentation" {_TABLE}>{"".join(rows)}</table>'


def _row(label: str, content: str) -> str:
    cells = (
        f'<td style="{_CELL};color:#666666">{_safe(label)}</td><td style="{_CELL}">{content}</td>'
    )
    return f"<tr>{cells}</tr>"


def _safe(text: str, limit: int = _LINE) -> str:
    return escape(wording.clean(text, limit))
