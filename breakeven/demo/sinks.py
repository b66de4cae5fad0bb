"""Stand-ins on loopback for what receives alerts: a Slack webhook and a mail server.

They answer as the real ones do, refuse what those would refuse, and keep what they were given.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast
from urllib.parse import parse_qsl

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

ANSWERS = {
    "ok": (200, "ok"),
    "invalid_payload": (400, "invalid_payload"),
    "action_prohibited": (403, "action_prohibited"),
    "no_service": (404, "no_service"),
    "channel_is_archived": (410, "channel_is_archived"),
    "rate_limited": (429, '{"retry_after":30,"ok":false,"error":"rate_limited"}'),
    "rollup_error": (500, "rollup_error"),
    "moved": (302, ""),
    "captive_portal": (200, "<html>Please log in to the guest network</html>"),
}
"""What Slack (the first seven) and things in between answer; `hang` and `close` answer nothing.

Source: docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
"""

RETRY_AFTER_SECONDS = 30

_LIMITS = {"header": 150, "section": 3000, "field": 2000, "context": 2000}
_MAX_BLOCKS, _MAX_FIELDS, _MAX_ELEMENTS = 50, 10, 10
_MAX_CHARACTERS = 11_300
"""Of all blocks; Slack documents none, users met `msg_blocks_too_long` between this and 13,200."""


@dataclass
class SlackSink:
    """An incoming webhook at `url`. `plan`: what to answer first; after that it answers `ok`.

    `posts` holds every payload that arrived, `messages` those that were taken.
    """

    plan: list[str] = field(default_factory=list)
    posts: list[dict[str, Any]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._closing = threading.Event()
        sink = self

        class Handler(_SlackHandler):
            def do_POST(self) -> None:
                sink._receive(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The webhook's address, in the form of Slack's own."""
        return f"http://127.0.0.1:{self._server.server_port}/services/T0DEMO/B0DEMO/localsecret"

    def _receive(self, handler: _SlackHandler) -> None:
        payload = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.posts.append(payload)
        name = self.plan.pop(0) if self.plan else "ok"
        if name == "hang":
            self._closing.wait()
        if name in ("hang", "close"):
            handler.close_connection = True
            return
        if name == "ok" and violations(payload):
            handler.answer(400, "invalid_blocks")
            return
        if name == "ok":
            self.messages.append(payload)
        handler.answer(*ANSWERS[name])


class _SlackHandler(BaseHTTPRequestHandler):
    def answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", str(RETRY_AFTER_SECONDS))
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
        """Quiet: the sink keeps what arrived."""


@dataclass
class SlackApi:
    """Slack's API for a bot at `url`: posts messages, finds them again, takes files.

    `plan`: errors to answer to chat.postMessage first; `accepted` is one too: the message stands,
    and the answer is lost. `calls`: method and fields of every request; `messages` what stands in
    the channel; `files` what was uploaded.
    """

    token: str = "xoxb-local-secret"  # noqa: S105 - of a stand-in
    plan: list[str] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)

    def __enter__(self) -> Self:
        api = self

        class Handler(_SlackHandler):
            def do_POST(self) -> None:
                api._receive(self)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """What stands in the place of https://slack.com/api."""
        return f"http://127.0.0.1:{self._server.server_port}/api"

    def _receive(self, handler: _SlackHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        method = handler.path.rpartition("/")[2]
        if method == "upload":
            self.files.append(body)
            handler.answer(200, f"OK - {len(body)}")
            return
        is_json = handler.headers["Content-Type"].startswith("application/json")
        fields = json.loads(body) if is_json else dict(parse_qsl(body.decode()))
        self.calls.append((method, fields))
        if handler.headers["Authorization"] != f"Bearer {self.token}":
            handler.answer(200, '{"ok":false,"error":"invalid_auth"}')
            return
        self._answer(handler, method, fields)

    def _answer(self, handler: _SlackHandler, method: str, fields: dict[str, Any]) -> None:
        said = self._said(method, fields)
        if said.get("error") == "accepted":
            handler.close_connection = True
        elif said.get("error") == "ratelimited":
            handler.answer(429, json.dumps(said))
        else:
            handler.answer(200, json.dumps(said))

    def _said(self, method: str, fields: dict[str, Any]) -> dict[str, Any]:
        if method in self.denied:
            return {"ok": False, "error": "missing_scope"}
        if method == "chat.postMessage":
            return self._post(fields)
        if method in ("conversations.history", "conversations.replies"):
            thread = fields.get("ts")
            found = [one for one in self.messages if one.get("thread_ts") == thread]
            return {"ok": True, "messages": found[::-1]}
        if method == "files.getUploadURLExternal":
            return {"ok": True, "upload_url": f"{self.url}/upload", "file_id": "F0DEMO"}
        return {"ok": True}

    def _post(self, fields: dict[str, Any]) -> dict[str, Any]:
        planned = self.plan.pop(0) if self.plan else ""
        error = planned or ("invalid_blocks" if violations(fields) else "")
        if error and error != "accepted":
            return {"ok": False, "error": error}
        ts = f"1790000000.{len(self.messages):06}"
        self.messages.append(fields | {"ts": ts})
        return {"ok": False, "error": error} if error else {"ok": True, "ts": ts}


def violations(payload: Mapping[str, Any]) -> list[str]:
    """Why Slack would refuse this payload: limits of docs.slack.dev/reference/block-kit/blocks."""
    blocks = payload.get("blocks", [])
    found = [problem for block in blocks for problem in _of_block(block)]
    if not payload.get("text"):
        found.append("no text")
    if len(blocks) > _MAX_BLOCKS:
        found.append(f"{len(blocks)} blocks")
    characters = len(json.dumps(blocks, ensure_ascii=False).encode("utf-16-le")) // 2
    if characters > _MAX_CHARACTERS:
        found.append(f"msg_blocks_too_long: {characters}")
    return found


def _of_block(block: Mapping[str, Any]) -> Iterator[str]:
    kind = block["type"]
    fields, elements = block.get("fields"), block.get("elements")
    if kind not in ("header", "section", "context", "divider"):
        yield f"unknown block {kind}"
    if kind == "header" and block["text"]["type"] != "plain_text":
        yield "a header is plain_text"
    if kind == "section" and not ("text" in block or fields):
        yield "an empty section"
    if kind == "context" and not 1 <= len(elements or []) <= _MAX_ELEMENTS:
        yield f"{len(elements or [])} elements in a context"
    if len(fields or []) > _MAX_FIELDS:
        yield f"{len(fields or [])} fields in a section"
    yield from _of_texts([block["text"]] if "text" in block else [], kind)
    yield from _of_texts(fields or [], "field")
    yield from _of_texts(elements or [], "context")


def _of_texts(texts: Iterable[Mapping[str, Any]], place: str) -> Iterator[str]:
    for text in texts:
        length = len(text["text"].encode("utf-16-le")) // 2
        if text["type"] not in ("plain_text", "mrkdwn"):
            yield f"{place}: unknown text {text['type']}"
        if not 1 <= length <= _LIMITS.get(place, 0):
            yield f"{place}: {length} characters"


@dataclass(frozen=True)
class Mail:
    """One message as it was handed over: the envelope's addresses, and the parsed content."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    encrypted: bool


class MailSink:
    """A mail server on loopback that keeps `mails` instead of sending them on.

    `refuse`: answers by recipient (`550 no such user`). `answer`: that to the whole message, or
    `close`: the connection ends without one. `login`: the one user and password; then a login is
    demanded, and only possible inside TLS; `logins` are the users who tried. `tls`: a context with
    a certificate, for STARTTLS, or from the first byte on when `implicit_tls`.
    """

    def __init__(
        self,
        *,
        refuse: Mapping[str, str] | None = None,
        answer: str = "250 OK",
        login: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
    ) -> None:
        self.mails: list[Mail] = []
        self.logins: list[str] = []
        self.refuse = dict(refuse or {})
        self.answer = answer
        self._login = login
        self._implicit_tls = implicit_tls
        self._controller = _Controller(
            self,
            hostname="127.0.0.1",
            port=0,
            server_hostname="sink.invalid",
            ssl_context=tls if implicit_tls else None,
            tls_context=None if implicit_tls else tls,
            authenticator=self._authenticate if login else None,
            auth_required=login is not None and not implicit_tls,
            auth_require_tls=not implicit_tls,
        )

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._controller.stop()

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return self._controller.port

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take or refuse one recipient, as planned."""
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep the message, when the plan is to take it."""
        if self.answer == "close":
            cast(Any, server.transport).abort()
        elif self.answer.startswith("2"):
            parsed = message_from_bytes(cast(bytes, envelope.content), policy=policy.default)
            recipients = tuple(envelope.rcpt_tos)
            encrypted = self._implicit_tls or session.ssl is not None
            sender = envelope.mail_from or ""
            self.mails.append(Mail(sender, recipients, parsed, encrypted))
        return self.answer

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        given = data if isinstance(data, LoginPassword) else LoginPassword(b"", b"")
        self.logins.append(given.login.decode())
        known = self._login or ("", "")
        accepted = (given.login.decode(), given.password.decode()) == known
        return AuthResult(success=accepted, handled=False)


class _Controller(Controller):
    def _trigger_server(self) -> None:
        # Port 0 lets the system choose, and the base class would connect to 0 to try it.
        self.port = cast(Any, self.server).sockets[0].getsockname()[1]
        cast(Any, super())._trigger_server()
