"""One HTTP request of ours to a receiver: bounded, never redirected, its address never shown.

The address of a webhook is a secret: it stands in no error and in no log.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from comparator.channels import is_loopback, within, wording
from pricebook.config import Secret
from pricebook.errors import ConfigError, DeliveryFailed

if TYPE_CHECKING:
    from requests import PreparedRequest

TOTAL_SECONDS = 20.0
"""For everything between the name look-up and the last byte of the answer."""

STEP_SECONDS = 10.0

MAX_ANSWER = 1 << 20
"""Bytes that are read of an answer at most; refusals are shorter, and a novel helps nobody."""

_TOKEN = 8
"""Characters; anything shorter in an address is no secret, and a word of the language."""

_LOGGERS = ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: `body` as text, `headers` by their names as the server wrote them."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def retry_after(self) -> float | None:
        """Seconds that it asked us to wait, where it said so in seconds."""
        asked = self.headers.get("Retry-After", "").strip()
        return float(asked) if asked.isdecimal() else None


def address(secret: Secret) -> str:
    """A secret address; ConfigError (without it) when it is missing or would go in clear."""
    url = secret.reveal().strip()
    if not is_guarded(url):
        raise ConfigError(f"{secret.where}: the address must begin with https://")
    return url


def post(whom: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
    """POST (without a body: GET) once; DeliveryFailed when nobody answers.

    `whom`: what errors call the other side.
    """
    try:
        return within(TOTAL_SECONDS, lambda: _exchange(url, body, headers))
    except OSError as error:  # as every error of requests is one
        if _is_unsent(error):
            raise DeliveryFailed(f"{whom} can't be reached: {_reason(error)}") from None
        raise DeliveryFailed(f"{whom} gave no answer: {_reason(error)}", ambiguous=True) from None


def without_address(body: str, url: str) -> str:
    """A proxy's error page likes to repeat the path that was asked for."""
    path = urlsplit(url).path
    for part in (url, path, path.rsplit("/", 1)[-1]):
        body = body.replace(part, "***") if len(part) >= _TOKEN else body
    return wording.clean(body, 200)


def _exchange(url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
    import requests

    with requests.Session() as session, _unlogged(url):
        # A proxy from the environment is the company's way out; it is no way to our own machine.
        session.trust_env = not is_loopback(urlsplit(url).hostname or "")
        with session.request(
            "GET" if body is None else "POST",
            url,
            data=body,
            headers={"Accept-Encoding": "identity", **headers},
            timeout=STEP_SECONDS,
            auth=_as_given,
            allow_redirects=False,
            stream=True,
        ) as response:
            said = response.raw.read(MAX_ANSWER, decode_content=False)
            text = said.decode("utf-8", "replace")
            return Answer(response.status_code, dict(response.headers), text)


def _as_given(request: PreparedRequest) -> PreparedRequest:
    """Else a ~/.netrc of this machine would take the place of our own credentials."""
    return request


def _is_unsent(error: Exception) -> bool:
    """Whether the request was written can only be told from how the connection failed."""
    import requests
    from urllib3.exceptions import MaxRetryError

    early = requests.ConnectTimeout | requests.exceptions.SSLError | requests.exceptions.InvalidURL
    cause = error.args[0] if error.args else None
    unconnected = isinstance(error, requests.ConnectionError) and isinstance(cause, MaxRetryError)
    return unconnected or isinstance(error, early)


def _reason(error: BaseException) -> str:
    """The operating system's words: those of requests and urllib3 hold the secret address."""
    while error.__context__ is not None:
        error = error.__context__
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "time is up" if isinstance(error, TimeoutError) else type(error).__name__


def is_guarded(url: str) -> bool:
    """Whether nobody on the way can read what is posted there."""
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        return False
    named = bool(parts.hostname) and parts.username is None and port != 0
    plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
    return named and (plain or parts.scheme == "https")


@contextmanager
def _unlogged(url: str) -> Iterator[None]:
    """At level DEBUG urllib3 writes every path it asks for, and this one is a secret."""
    path = urlsplit(url).path

    def hide(record: logging.LogRecord) -> bool:
        return path not in record.getMessage()

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(hide)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(hide)
