"""A server of the user's own that speaks OpenAI's API: one answer at a time, streamed, with the
times of its tokens and the server's own count of them. Floats are seconds of the monotonic clock.

It is asked directly, without proxy, redirect or retry: those would be measured, too.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, NoReturn
from urllib.parse import SplitResult, urlsplit

from breakeven.output import clean
from pricebook.errors import ConfigError, MeasurementFailed

SECONDS_TO_CONNECT = 10.0
SECONDS_OF_SILENCE = 120.0
"""How long a server may send nothing: a long queue before the first token is longer than any pause
after it."""

LONGEST_LINE = 2**20
LARGEST_ANSWER = 64 * 2**20
MOST_TOKENS = 10**7

_CHAT, _PLAIN = "/chat/completions", "/completions"
_DELTAS = ("content", "reasoning_content", "reasoning", "tool_calls", "refusal")


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: when it was asked for, when its first and last token came.

    Tokens are those of the server's `usage`, None where it sent none: `chunks`, the pieces in which
    the text came, are no tokens.
    """

    sent: float
    first: float
    last: float
    chunks: int
    input: int | None
    output: int | None


class Refused(MeasurementFailed):
    """An answer that is none; `status` is the HTTP status where there was one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, for which model, with which key, which is never shown."""

    url: SplitResult
    model: str
    key: str = ""
    key_name: str = ""

    @classmethod
    def of(cls, url: str, model: str, key: str = "", key_name: str = "") -> Endpoint:
        """From `http://host:8000`, `.../v1` or the whole `.../v1/chat/completions`."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not _has_host(parts):
            raise ConfigError(f"{url!r} is no address; write for example http://localhost:8000")
        if "@" in parts.netloc:
            raise ConfigError("the address has a password in it; name a key by --api-key-env")
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ConfigError(f"{key_name} holds a key with blanks or signs that no header takes")
        path = parts.path.rstrip("/")
        if not path.endswith(_PLAIN):
            path += _CHAT if path.endswith("/v1") else f"/v1{_CHAT}"
        return cls(parts._replace(path=path, fragment=""), model, key, key_name)

    def __str__(self) -> str:
        return f"{self.url.scheme}://{self.url.netloc}{self.url.path}"

    @property
    def chat(self) -> bool:
        """Whether it takes messages, not a plain prompt."""
        return self.url.path.endswith(_CHAT)

    def request(self, prompt: str, output: int, *, to_the_end: bool) -> bytes:
        """The body that asks for `output` tokens, streamed and counted.

        `to_the_end`: the model shall go on even where it would stop, which is no part of OpenAI's
        API, but of vLLM's, SGLang's and llama.cpp's.
        """
        asked: dict[str, Any] = {"model": self.model, "max_tokens": output, "stream": True}
        asked["stream_options"] = {"include_usage": True}
        if self.chat:
            asked["messages"] = [{"role": "user", "content": prompt}]
        else:
            asked["prompt"] = prompt
        if to_the_end:
            asked["ignore_eos"] = True
        return json.dumps(asked).encode()

    def headers(self) -> dict[str, str]:
        """Of every request."""
        words = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        return words | ({"Authorization": f"Bearer {self.key}"} if self.key else {})

    def quoted(self, text: str) -> str:
        """What the server said, short, without the key and without control codes."""
        said = text.replace(self.key, "***") if self.key else text
        return " ".join(clean(said).split())[:200]


class Line:
    """A connection that is kept from answer to answer; any thread may `cut` it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._connection = _connection(endpoint.url)
        self._socket: socket.socket | None = None
        self._is_cut = False

    def ask(self, body: bytes) -> Answer:
        """Send one request and read its answer to the end; Refused when it is none."""
        try:
            return self._asked(body)
        except Refused:
            self.close()
            raise
        except (OSError, HTTPException, ValueError) as error:
            self.close()
            raise Refused(f"{self._endpoint} {_broken(error)}") from None

    def cut(self) -> None:
        """End it for good, whatever another thread is waiting for."""
        self._is_cut = True
        with suppress(OSError):
            if self._socket:
                self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of it; the next question connects again."""
        self._connection.close()

    def _asked(self, body: bytes) -> Answer:
        self._connect()
        path = self._endpoint.url.path + (
            f"?{query}" if (query := self._endpoint.url.query) else ""
        )
        sent = time.monotonic()
        self._connection.request("POST", path, body, self._endpoint.headers())
        response = self._connection.getresponse()
        self._check(response)
        return _Stream(self._endpoint, sent).answer(response)

    def _opened(self) -> socket.socket:
        made = self._connection.sock
        made.settimeout(SECONDS_OF_SILENCE)
        return made

    def _connect(self) -> None:
        if self._connection.sock is None:
            self._connection.connect()
            self._socket = self._opened()
        if self._is_cut:
            raise ConnectionAbortedError("cut")

    def _check(self, response: HTTPResponse) -> None:
        if response.status != 200:
            said = response.read(LONGEST_LINE).decode(errors="replace")
            raise Refused(_refusal(self._endpoint, response.status, said), response.status)
        form = response.headers.get_content_type()
        if form == "application/json":
            raise Refused(f"{self._endpoint} doesn't stream: it sent its answer as one document")
        if form != "text/event-stream":
            said = self._endpoint.quoted(response.read(500).decode(errors="replace"))
            raise Refused(f"{self._endpoint} sent {form}, not a stream of events: {said!r}")


class _Stream:
    """An answer while it comes in."""

    def __init__(self, endpoint: Endpoint, sent: float) -> None:
        self._endpoint = endpoint
        self._sent = sent
        self._first: float | None = None
        self._last = sent
        self._chunks = 0
        self._usage: Mapping[str, Any] = {}
        self._complete = False

    def answer(self, response: HTTPResponse) -> Answer:
        for text in self._events(response):
            if text == b"[DONE]":
                self._complete = True
            else:
                self._take(self._parsed(text), time.monotonic())
        if self._first is None or not self._complete:
            what = "broke its answer off" if self._chunks else "sent an answer without a token"
            raise Refused(f"{self._endpoint} {what}")
        counts = (self._count("prompt_tokens"), self._count("completion_tokens"))
        return Answer(self._sent, self._first, self._last, self._chunks, *counts)

    def _events(self, response: HTTPResponse) -> Iterator[bytes]:
        size = 0
        while line := response.readline(LONGEST_LINE):
            size += len(line)
            if len(line) >= LONGEST_LINE or size > LARGEST_ANSWER:
                raise Refused(f"{self._endpoint} sent more than an answer can be")
            name, colon, text = line.strip().partition(b":")
            if name == b"data" and colon:
                yield text.strip()
            elif name not in (b"", b"event", b"id", b"retry"):
                self._garbage(line)

    def _parsed(self, text: bytes) -> Mapping[str, Any]:
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            self._garbage(text)
        if event.get("error"):
            said = self._endpoint.quoted(_message(event))
            raise Refused(f"{self._endpoint} broke its answer off with an error: {said}")
        return event

    def _garbage(self, text: bytes) -> NoReturn:
        said = self._endpoint.quoted(text.decode(errors="replace"))
        raise Refused(f"{self._endpoint} sent what is no event of an answer: {said!r}")

    def _take(self, event: Mapping[str, Any], now: float) -> None:
        if isinstance(event.get("usage"), dict):
            self._usage = event["usage"]
        choices = event.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            self._complete = self._complete or bool(choice.get("finish_reason"))
            if _has_token(choice):
                self._first = self._first or now
                self._last = now
                self._chunks += 1

    def _count(self, name: str) -> int | None:
        value = self._usage.get(name)
        if value is None:
            return None
        if type(value) is not int or not 0 < value <= MOST_TOKENS:
            raise Refused(f"{self._endpoint} says {value!r} {name} in its usage, which can't be")
        return value


def _has_token(choice: Mapping[str, Any]) -> bool:
    delta = choice.get("delta")
    if isinstance(delta, dict):
        return any(delta.get(name) for name in _DELTAS)
    return bool(choice.get("text"))


def _has_host(parts: SplitResult) -> bool:
    try:
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _connection(url: SplitResult) -> HTTPConnection:
    host = url.hostname or ""
    if url.scheme == "http":
        return HTTPConnection(host, url.port, timeout=SECONDS_TO_CONNECT)
    secure = ssl.create_default_context()
    return HTTPSConnection(host, url.port, timeout=SECONDS_TO_CONNECT, context=secure)


def _broken(error: Exception) -> str:
    """What happened to a connection, in words."""
    match error:
        case ConnectionRefusedError():
            return "refuses connections: is the server running, and on this port?"
        case socket.gaierror():
            return "can't be found: its name has no address"
        case ssl.SSLError():
            return f"can't be reached by TLS: {error.reason or error}"
        case TimeoutError():
            return "gave no sign of life in time"
        case HTTPException():
            return f"doesn't speak HTTP as it should ({type(error).__name__})"
    return f"broke the connection off ({getattr(error, 'strerror', None) or error})"


def _refusal(endpoint: Endpoint, status: int, body: str) -> str:
    said = endpoint.quoted(_message(body))
    if status in (401, 403):
        key = f"doesn't take the key in {endpoint.key_name}" if endpoint.key else "wants a key"
        return f"{endpoint} {key} ({status}); name its variable by --api-key-env"
    if status == 404 and "model" in said.lower():
        return f"{endpoint} has no model {endpoint.model!r} (404: {said})"
    if status == 404:
        return f"{endpoint} doesn't exist (404); give the address up to /v1"
    if 300 <= status < 400:
        return f"{endpoint} leads elsewhere ({status}); give the address that it leads to"
    return f"{endpoint} answered {status}: {said or 'without a word'}"


def _message(body: str | Mapping[str, Any]) -> str:
    """The sentence in an error document of OpenAI's form, or all of it."""
    try:
        found = json.loads(body) if isinstance(body, str) else body
    except (ValueError, RecursionError):
        return str(body)
    error = found.get("error", found) if isinstance(found, dict) else found
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)
