"""One polite, bounded, guarded HTTP client: what it gets is whole, or it says why there is nothing.

Honest about who asks, obeys robots.txt, never hurries a host, and gives up at a total deadline.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from urllib.parse import urljoin
from urllib.robotparser import RobotFileParser

from requests import Response, Session
from requests.exceptions import ProxyError, RequestException, SSLError, Timeout
from urllib3.exceptions import HTTPError
from urllib3.exceptions import SSLError as TLSError
from urllib3.exceptions import TimeoutError as TimedOut
from urllib3.util import Url, parse_url

from pricebook.errors import FetchFailed, SourceError
from scraper.clock import Clock
from scraper.guard import Door, GuardedAdapter, Unreachable, is_public_name, registrable_domain
from scraper.settings import HttpSettings

MAX_REDIRECTS = 3
RETRY_PAUSES = (1.0, 3.0)
"""Seconds before the second and the third try; longer waits are the scheduler's."""
RESUME_PAUSES = (1.0, 3.0, 10.0, 10.0, 10.0)
"""Seconds before the rest of an answer is asked for whose connection broke off."""
ROBOTS_HOLD_FOR = timedelta(hours=24)
"""RFC 9309 section 2.4: a robots.txt should not be used for longer than a day."""
LONGEST_RETRY_AFTER = timedelta(days=7)
"""A server that asks for more is taken to be mistaken: it would silence a source for good."""

_AGENT = "breakeven"
_STEP = 65_536
_REDIRECTS = (301, 302, 303, 307, 308)
_GZIP = 16 + zlib.MAX_WBITS
_REST = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
"""Content-Range: the first and the last byte, and how many there are."""
_SECRETS = re.compile(r"(?<=//)[^/?#]*@|\?.*", re.DOTALL)
"""What an address may hold that an error must not repeat: a login, and a query with a key."""


@dataclass(frozen=True, slots=True)
class Part:
    """What to keep of a document that is too large to be held: `keep` makes it of the stream.

    `timeout` and `max_bytes` bound the fetch in the place of those in `HttpSettings`; `key` is
    where the user sets them, if anywhere.
    """

    keep: Callable[[Iterator[bytes]], bytes]
    timeout: timedelta
    max_bytes: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A whole answer: `url` after redirects, `body` decompressed, `at` when it came (aware UTC)."""

    url: str
    body: bytes
    at: datetime
    media_type: str
    charset: str | None
    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class NotModified:
    """The server says that what was fetched before, with these validators, still holds."""

    url: str
    at: datetime


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one request gave; only a 200 has a body."""

    url: Url
    status: int
    headers: Mapping[str, str]
    body: bytes
    at: datetime


class HttpClient:
    """Fetches one document at a time: a client for each source, not to be shared by threads."""

    def __init__(self, settings: HttpSettings, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or Clock()
        self._door = Door(allow_loopback=settings.allow_loopback)
        self._session = _session(settings, self._door)
        self._robots: dict[str, tuple[datetime, RobotFileParser]] = {}
        self._last_request: dict[str | None, float] = {}
        self._whole = Part(b"".join, settings.timeout, settings.max_bytes, "[http] max_bytes")
        self._seconds = self._deadline = 0.0

    def fetch(
        self,
        url: str,
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        part: Part | None = None,
    ) -> Fetched | NotModified:
        """The document at `url`, or that it is as it was when these validators were given.

        With `part`, the body is what that keeps. FetchFailed says why nothing came; its
        `retry_after` is the earliest time the server allows.
        """
        part = part or self._whole
        self._seconds = part.timeout.total_seconds()
        self._deadline = self._clock.monotonic() + self._seconds
        validators = {"If-None-Match": etag, "If-Modified-Since": last_modified}
        answer = self._follow(self._checked(url), validators, part)
        if answer.status == 304 and (etag or last_modified):
            return NotModified(str(answer.url), answer.at)
        if answer.status != 200:
            raise _failure(answer)
        return _fetched(answer)

    def _follow(
        self, first: Url, headers: Mapping[str, str | None], part: Part, *, obey: bool = True
    ) -> _Answer:
        """The first answer that is no redirect; each step is checked like the first address."""
        target = first
        for _ in range(MAX_REDIRECTS + 1):
            if obey:
                self._obey_robots(target)
            answer = self._persist(target, headers, part)
            if answer.status not in _REDIRECTS:
                return answer
            target = self._redirected(answer)
        raise FetchFailed(f"{_name(first)} redirects more than {MAX_REDIRECTS} times")

    def _redirected(self, answer: _Answer) -> Url:
        here, location = answer.url, answer.headers.get("Location", "")
        there = self._checked(location, base=str(here))
        if registrable_domain(str(here.host)) != registrable_domain(str(there.host)):
            raise FetchFailed(
                f"{_name(here)} redirects to another site, {there.host}: not followed"
            )
        if here.scheme == "https" and there.scheme != "https":
            raise FetchFailed(f"{_name(here)} redirects to plain http: not followed")
        return there

    def _checked(self, url: str, base: str = "") -> Url:
        """The address in its parts; refused unless it is https, or http where that is allowed."""
        with suppress(ValueError):
            target = parse_url(urljoin(base, url))._replace(fragment=None)
            if target.host and not target.auth and self._permitted(target):
                return target
        shown = _SECRETS.sub("", url)
        raise FetchFailed(f"{shown!r} is not an address that is fetched: write a public https URL")

    def _permitted(self, target: Url) -> bool:
        if self._settings.proxy:
            # The proxy resolves the name and we can't check it: at least it must be a name.
            return target.scheme == "https" and is_public_name(str(target.host))
        return target.scheme == "https" or (
            target.scheme == "http" and self._settings.allow_loopback
        )

    def _persist(self, target: Url, headers: Mapping[str, str | None], part: Part) -> _Answer:
        """One request, tried again where nobody answered or the server stumbled."""
        for pause in RETRY_PAUSES:
            with suppress(Unreachable):
                answer = self._request(target, headers, part)
                if answer.status < 500 or "Retry-After" in answer.headers:
                    return answer
            if self._left() <= pause:
                break
            self._clock.sleep(pause)
        return self._request(target, headers, part)

    def _request(self, target: Url, headers: Mapping[str, str | None], part: Part) -> _Answer:
        """One request and its whole answer, within what is left of the time."""
        self._wait_for(target.host)
        seconds = self._left()
        if seconds <= 0:
            raise self._too_slow(target)
        try:
            with self._door.open_for(seconds):
                return self._exchange(target, headers, part, seconds)
        except (SourceError, RequestException, HTTPError, OSError) as error:
            if self._door.expired or isinstance(error, Timeout | TimedOut):
                raise self._too_slow(target) from None
            if isinstance(error, SourceError):
                raise
            raise FetchFailed(f"{_name(target)}: {_reason(error)}") from None
        finally:
            # No connection outlives the door that it came through.
            self._session.close()

    def _exchange(
        self, target: Url, headers: Mapping[str, str | None], part: Part, seconds: float
    ) -> _Answer:
        with self._session.get(
            str(target), headers=headers, timeout=seconds, stream=True, allow_redirects=False
        ) as response:
            ok = response.status_code == 200
            body = part.keep(self._body(target, response, part)) if ok else b""
            # A cut connection looks like the end of an answer that didn't say how long it is.
            if self._door.expired:
                raise self._too_slow(target)
            now = self._clock.now()
            return _Answer(target, response.status_code, response.headers, body, now)

    def _body(self, target: Url, response: Response, part: Part) -> Iterator[bytes]:
        """The body in steps, bounded before and after decompression."""
        raw = _bounded(self._raw_body(target, response), part, target)
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding == "identity":
            return raw
        if encoding not in ("gzip", "x-gzip"):
            raise FetchFailed(f"{_name(target)} came encoded as {encoding!r}, we asked for gzip")
        return _bounded(_gunzipped(raw, target), part, target)

    def _raw_body(self, target: Url, response: Response) -> Iterator[bytes]:
        """The body as it is sent; when the connection breaks off, the rest comes by another one.

        Only of a document with a strong ETag, by which the rest is known to be of the same one.
        """
        at, etag = 0, response.headers.get("ETag", "")
        came: Response | None = response
        for pause in (*RESUME_PAUSES, math.inf):
            try:
                came = came or self._rest(target, at, etag)
                for chunk in came.raw.stream(_STEP, decode_content=False):
                    at += len(chunk)
                    yield chunk
            except (Unreachable, HTTPError, OSError) as error:
                if not etag.startswith('"') or self._door.expired or isinstance(error, TimedOut):
                    raise
                if self._left() <= pause:
                    words = f"the connection broke off after {at} bytes, and the rest didn't come"
                    raise FetchFailed(f"{_name(target)}: {words}: given up") from None
            else:
                return
            came = None
            self._clock.sleep(pause)

    def _rest(self, target: Url, at: int, etag: str) -> Response:
        """The answer that goes on at that byte; Unreachable when it may come if asked again."""
        self._wait_for(target.host)
        headers = {"Range": f"bytes={at}-", "If-Range": etag}
        response = self._session.get(
            str(target), headers=headers, timeout=self._left(), stream=True, allow_redirects=False
        )
        if response.status_code == 206 and _is_rest(response, at, etag):
            return response
        response.close()
        if response.status_code >= 500:
            raise Unreachable(f"{_name(target)} gives no more (HTTP {response.status_code})")
        raise FetchFailed(
            f"{_name(target)}: the connection broke off, and its rest is not to be had: it has"
            " changed meanwhile, or is never sent in parts"
        )

    def _wait_for(self, host: str | None) -> None:
        """Leave the host its pause; that is politeness, not slowness: the deadline moves along."""
        interval = self._settings.min_interval.total_seconds()
        since = self._clock.monotonic() - self._last_request.get(host, -interval)
        if since < interval:
            self._clock.sleep(interval - since)
            self._deadline += interval - since
        self._last_request[host] = self._clock.monotonic()

    def _left(self) -> float:
        return self._deadline - self._clock.monotonic()

    def _too_slow(self, target: Url) -> FetchFailed:
        return FetchFailed(f"{_name(target)} took longer than {self._seconds:g} seconds: given up")

    def _obey_robots(self, target: Url) -> None:
        rules = self._rules(target)
        if not rules.can_fetch(_AGENT, str(target)):
            raise FetchFailed(f"{_name(target)}: the site's robots.txt forbids it: not fetched")

    def _rules(self, target: Url) -> RobotFileParser:
        address = Url(target.scheme, host=target.host, port=target.port, path="/robots.txt")
        read_at, rules = self._robots.get(str(address), (None, RobotFileParser()))
        if read_at is None or self._clock.now() - read_at > ROBOTS_HOLD_FOR:
            answer = self._follow(address, {}, self._whole, obey=False)
            rules = _robot_rules(answer)
            self._robots[str(address)] = (answer.at, rules)
        return rules


class _Session(Session):
    """Without redirects: `requests` would read a redirect's whole body, however large it is."""

    def get_redirect_target(self, resp: Response) -> None:
        """None: they are followed by hand."""


def _session(settings: HttpSettings, door: Door) -> Session:
    """A session that takes nothing from the environment and keeps no cookies."""
    session = _Session()
    session.trust_env = False
    session.verify = str(settings.ca_file) if settings.ca_file else True
    session.proxies = {"https": settings.proxy} if settings.proxy else {}
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for prefix in ("http://", "https://"):
        session.mount(prefix, GuardedAdapter(door))
    contact = f" (+{settings.contact})" if settings.contact else ""
    session.headers.update(
        {"User-Agent": f"{_AGENT}/{version('breakeven')}{contact}", "Accept-Encoding": "gzip"}
    )
    return session


def _robot_rules(answer: _Answer) -> RobotFileParser:
    """RFC 9309 section 2.3.1: without the file all is allowed; a server in trouble is left alone.

    A 403 counts as "without": file servers such as S3 answer it for what doesn't exist.
    """
    if answer.status == 429 or answer.status >= 500:
        raise _failure(answer)
    rules = RobotFileParser()
    rules.parse(answer.body.decode("utf-8-sig", errors="replace").splitlines())
    return rules


def _fetched(answer: _Answer) -> Fetched:
    content = Message()
    content["Content-Type"] = answer.headers.get("Content-Type", "application/octet-stream")
    return Fetched(
        url=str(answer.url),
        body=answer.body,
        at=answer.at,
        media_type=content.get_content_type(),
        charset=content.get_content_charset(),
        etag=answer.headers.get("ETag"),
        last_modified=answer.headers.get("Last-Modified"),
    )


def _failure(answer: _Answer) -> FetchFailed:
    """What an answer without a document means, in one sentence."""
    meaning = {
        401: "wants an account",
        403: "refuses us: ask its owner, or take the source out of [collect]",
        404: "is not there: the page has moved",
        410: "is gone for good",
        429: "asks us to come less often",
    }.get(answer.status, "gave no document")
    return FetchFailed(
        f"{_name(answer.url)} {meaning} (HTTP {answer.status})",
        retry_after=_retry_after(answer),
        status=answer.status,
    )


def _retry_after(answer: _Answer) -> datetime | None:
    """RFC 9110 section 10.2.3: seconds or a date; None when absent, unreadable or past."""
    asked = _asked_for(answer.headers.get("Retry-After", "").strip(), answer.at)
    if asked is None or asked <= answer.at:
        return None
    return min(asked, answer.at + LONGEST_RETRY_AFTER)


def _asked_for(text: str, now: datetime) -> datetime | None:
    if text.isascii() and text.isdigit():
        return now + timedelta(seconds=int(text[:9]))
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    if isinstance(error, SSLError | TLSError):
        return "no secure connection, or its certificate is not valid for that name"
    if isinstance(error, ProxyError):
        return "the proxy of [http] gave no connection"
    return "the connection broke off before the whole answer was here"


def _is_rest(response: Response, at: int, etag: str) -> bool:
    """Whether an answer is all of the same document from that byte on."""
    place = _REST.fullmatch(response.headers.get("Content-Range", ""))
    first, last, size = map(int, place.groups()) if place else (-1, -1, -1)
    return response.headers.get("ETag") == etag and first == at and last == size - 1


def _bounded(chunks: Iterable[bytes], part: Part, target: Url) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > part.max_bytes:
            key = f" ({part.key})" if part.key else ""
            raise FetchFailed(f"{_name(target)} is larger than {part.max_bytes} bytes{key}")
        yield chunk


def _gunzipped(chunks: Iterable[bytes], target: Url) -> Iterator[bytes]:
    """Decompress in steps of bounded size, so that a bomb is noticed before it has gone off."""
    decoder = zlib.decompressobj(_GZIP)
    try:
        for chunk in chunks:
            yield decoder.decompress(chunk, _STEP)
            while decoder.unconsumed_tail:
                yield decoder.decompress(decoder.unconsumed_tail, _STEP)
        yield decoder.flush()
    except zlib.error:
        raise FetchFailed(f"{_name(target)} came damaged: it is not gzip as it says") from None
    if not decoder.eof or decoder.unused_data:
        raise FetchFailed(f"{_name(target)} came damaged: its gzip ends too early or too late")


def _name(target: Url) -> str:
    """The address for people: without the query, which may hold a key."""
    return str(target._replace(query=None))
