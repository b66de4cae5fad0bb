"""Fetching, against servers on this machine that behave well, badly and viciously."""

from __future__ import annotations

import gzip
import select
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pricebook.config import Table
from pricebook.errors import ConfigError, DocumentRefused, FetchFailed
from scraper.clock import Clock
from scraper.guard import Door, registrable_domain
from scraper.http import Fetched, HttpClient, NotModified, Part
from scraper.settings import HttpSettings

MIB = 1024 * 1024
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)

Answer = Callable[[BaseHTTPRequestHandler], None]


class FakeClock(Clock):
    """A clock that passes only when somebody sleeps, and writes the sleeps down."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return NOON + timedelta(seconds=sum(self.slept))

    def monotonic(self) -> float:
        return 1000 + sum(self.slept)

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))


class Server(ThreadingHTTPServer):
    """A server in threads."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up on purpose is no news."""


class Site:
    """A server whose paths answer as a test says; 404 for the rest, robots.txt included."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[BaseHTTPRequestHandler] = []
        self.server = Server(("127.0.0.1", 0), self._handler())
        self.port = self.server.server_port

    def on(self, path: str, *answers: Answer) -> str:
        """Answer `path` with these in turn, the last one for ever; returns the address."""
        self.answers[path] = list(answers)
        return self.url(path)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def paths(self) -> list[str]:
        return [request.path for request in self.requests]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.requests.append(self)
                answers = site.answers.get(self.path, [reply(404)])
                (answers.pop(0) if len(answers) > 1 else answers[0])(self)

            def log_message(self, *args: Any) -> None:
                pass

        return Handler


def reply(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    """A plain answer; `Retry_After` stands for the header `Retry-After`."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


def raw(*pieces: bytes, pause: float = 0.0) -> Answer:
    """Bytes as they stand, one piece after the other; then the connection is closed."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        for piece in pieces:
            request.wfile.write(piece)
            request.wfile.flush()
            time.sleep(pause)
        request.close_connection = True

    return answer


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    """A site on this machine."""
    made = Site()
    with running(made.server):
        yield made


def client_of(clock: Clock | None = None, **settings: Any) -> HttpClient:
    """A client that may reach this machine, and doesn't dawdle unless told to."""
    given = {
        "allow_loopback": True,
        "min_interval": timedelta(0),
        "timeout": timedelta(seconds=10),
        **settings,
    }
    return HttpClient(HttpSettings(**given), clock)


def fetch(url: str, **settings: Any) -> Fetched:
    """What is at `url`, as far as it is a document."""
    answer = client_of(FakeClock(), **settings).fetch(url)
    assert isinstance(answer, Fetched)
    return answer


# What arrives


def test_an_answer_arrives_whole_with_what_describes_it(site: Site) -> None:
    """Body, address, type, charset and validators are what the server sent."""
    kind = {"Content_Type": "text/html; charset=ISO-8859-1", "Last_Modified": "yesterday"}
    url = site.on("/pricing", reply(200, b"$5", ETag='"1"', **kind))

    expected = Fetched(url, b"$5", NOON, "text/html", "iso-8859-1", '"1"', "yesterday")
    assert expected == fetch(url)


def test_an_honest_name_and_a_contact_are_sent(site: Site) -> None:
    """The site's owner can see who asks and whom to write to."""
    fetch(site.on("/pricing", reply(200, b"$5")), contact="mailto:finops@example.com")

    agent = site.requests[-1].headers["User-Agent"]
    assert agent.startswith("breakeven/")
    assert agent.endswith(" (+mailto:finops@example.com)")


def test_an_unchanged_document_is_not_sent_again(site: Site) -> None:
    """Validators of the last answer are sent, and a 304 is told apart from a document."""
    url = site.on("/pricing", reply(304))

    answer = client_of(FakeClock()).fetch(url, etag='"1"', last_modified="yesterday")

    assert NotModified(url, NOON) == answer
    headers = site.requests[-1].headers
    assert ('"1"', "yesterday") == (headers["If-None-Match"], headers["If-Modified-Since"])


def test_a_304_that_nobody_asked_for_is_refused(site: Site) -> None:
    """Without validators there is nothing that could be unchanged."""
    with pytest.raises(FetchFailed, match="HTTP 304"):
        fetch(site.on("/pricing", reply(304)))


def test_gzip_is_unpacked(site: Site) -> None:
    """The body is what was compressed, also when it is larger than one step."""
    page = bytes(range(256)) * 4096
    url = site.on("/pricing", reply(200, gzip.compress(page, mtime=0), Content_Encoding="gzip"))

    assert page == fetch(url).body
    assert "gzip" == site.requests[-1].headers["Accept-Encoding"]


def test_a_chunked_answer_arrives_whole(site: Site) -> None:
    """An answer of unknown length ends where its last chunk says."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b"$5" == fetch(site.on("/", raw(head, b"2\r\n$5\r\n0\r\n\r\n"))).body


def test_cookies_are_not_kept(site: Site) -> None:
    """Each look at a page is the look of a stranger."""
    url = site.on("/pricing", reply(200, b"$5", Set_Cookie="shown=b; Path=/"))
    client = client_of(FakeClock())
    client.fetch(url)
    client.fetch(url)

    assert site.requests[-1].headers["Cookie"] is None


# Redirects


def test_redirects_are_followed_and_the_last_address_is_told(site: Site) -> None:
    """Up to three redirects within the site lead to the document."""
    for here, there in (("/1", "/2"), ("/2", "/3"), ("/3", "/4")):
        site.on(here, reply(302, Location=there))
    site.on("/4", reply(200, b"$5"))

    assert site.url("/4") == fetch(site.url("/1")).url


def test_a_redirect_loop_ends(site: Site) -> None:
    """After three redirects it is enough."""
    with pytest.raises(FetchFailed, match="redirects more than 3 times"):
        fetch(site.on("/1", reply(301, Location="/1")))
    assert 4 == site.paths().count("/1")


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://example.com/",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:{port}/",
        "//127.0.0.2:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f000001:{port}/",
        "http://127.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://[fd00:ec2::254]/",
    ],
)
def test_a_redirect_to_another_site_is_not_followed(site: Site, elsewhere: str) -> None:
    """A page answers for its own site only, however the other one is spelt."""
    location = elsewhere.format(port=site.port)
    with pytest.raises(FetchFailed, match="redirects to another site"):
        fetch(site.on("/1", reply(302, Location=location)))
    assert ["/robots.txt", "/1"] == site.paths()


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/"]
)
def test_a_redirect_to_what_is_no_web_page_is_refused(site: Site, location: str) -> None:
    """Only web addresses without a login are fetched."""
    with pytest.raises(FetchFailed, match="is not an address that is fetched"):
        fetch(site.on("/1", reply(302, Location=location)))


def test_the_body_of_a_redirect_is_not_read(site: Site) -> None:
    """A redirect is followed at once, whatever comes along with it."""
    head = b"HTTP/1.1 302 Found\r\nLocation: /2\r\nContent-Length: 9000000000\r\n\r\n"
    site.on("/1", raw(head, *[b"x"] * 50, pause=0.1))
    site.on("/2", reply(200, b"$5"))

    started = time.monotonic()
    assert b"$5" == fetch(site.url("/1")).body
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("developers.openai.com", "openai.com"),
        ("docs.x.ai", "x.ai"),
        ("x.ai", "x.ai"),
        ("prices.example.co.uk", "example.co.uk"),
        ("bigmodel.com.cn", "bigmodel.com.cn"),
        ("one.github.io", "one.github.io"),
        ("pricing.us-east-1.amazonaws.com", "pricing.us-east-1.amazonaws.com"),
        ("10.0.0.1", "10.0.0.1"),
        ("localhost", "localhost"),
    ],
)
def test_a_site_is_what_one_owner_registered(host: str, domain: str) -> None:
    """Names under a shared suffix have an owner each, and addresses stand for themselves."""
    assert domain == registrable_domain(host)


# Bounds


def test_a_slow_drip_is_cut_off_at_the_deadline(site: Site) -> None:
    """A server that sends a byte now and then can't hold us longer than the whole timeout."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n"
    url = site.on("/", raw(head, *[b"x"] * 50, pause=0.1))

    assert_gives_up_in_time(url)


def test_a_drip_of_unknown_length_is_cut_off_and_not_taken_for_whole(site: Site) -> None:
    """What came until the deadline is no document, even where nothing says how long it is."""
    url = site.on("/", raw(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 50, pause=0.1))

    assert_gives_up_in_time(url)


def test_dripping_headers_are_cut_off_at_the_deadline(site: Site) -> None:
    """The deadline holds from the first byte of the headers on."""
    url = site.on("/", raw(b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 50, pause=0.1))

    assert_gives_up_in_time(url)


def test_a_silent_server_is_given_up(site: Site) -> None:
    """A server that takes the request and says nothing costs the timeout, no more."""
    assert_gives_up_in_time(site.on("/", raw(b"", pause=5)))


def test_a_silent_dns_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline holds for the question to DNS too."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: time.sleep(5))

    assert_gives_up_in_time("https://example.com/")


def test_a_connection_that_nobody_takes_is_given_up() -> None:
    """The deadline holds while connecting."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(3)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        assert_gives_up_in_time(f"http://127.0.0.1:{full.getsockname()[1]}/")
        for client in waiting:
            client.close()


def test_no_connection_is_made_after_the_deadline() -> None:
    """A connection that comes about too late is not used."""
    door = Door(allow_loopback=True)
    with socket.create_server(("127.0.0.1", 0)) as late, door.open_for(0.01):
        while not door.expired:
            time.sleep(0.01)
        with pytest.raises(FetchFailed, match="no answer in time"):
            door.connect("127.0.0.1", late.getsockname()[1], encrypted=False, checked=True)


def test_a_silent_tls_handshake_is_given_up() -> None:
    """The deadline holds while TLS is being negotiated."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert_gives_up_in_time(f"https://127.0.0.1:{mute.getsockname()[1]}/")


def assert_gives_up_in_time(url: str) -> None:
    client = client_of(timeout=timedelta(seconds=0.5))
    started = time.monotonic()
    with pytest.raises(FetchFailed, match=r"took longer than 0\.5 seconds"):
        client.fetch(url)
    assert time.monotonic() - started < 3


def test_a_pause_of_politeness_does_not_use_up_the_deadline(site: Site) -> None:
    """Waiting for a host's turn is our own doing and not the server's slowness."""
    url = site.on("/", reply(200, b"$5"))
    settings = {"min_interval": timedelta(minutes=1), "timeout": timedelta(seconds=5)}

    assert b"$5" == fetch(url, **settings).body


def test_a_body_that_is_too_large_is_refused(site: Site) -> None:
    """The bound holds for what arrives, however it is called."""
    with pytest.raises(FetchFailed, match="is larger than 1000 bytes"):
        fetch(site.on("/", reply(200, b"x" * 1001)), max_bytes=1000)
    assert 1000 == len(fetch(site.on("/", reply(200, b"x" * 1000)), max_bytes=1000).body)


def first_byte(chunks: Iterator[bytes]) -> bytes:
    return b"".join(chunks)[:1]


def test_of_a_large_document_a_part_is_kept(site: Site) -> None:
    """It streams through what keeps a part, within bounds of its own, packed or not."""
    part = Part(first_byte, timedelta(seconds=30), max_bytes=5000)
    packed = reply(200, gzip.compress(b"x" * 5000, mtime=0), Content_Encoding="gzip")
    for answer in (reply(200, b"x" * 5000), packed):
        url = site.on("/", answer)
        assert len(fetch_part(url, part).body) == 1
    url = site.on("/", reply(200, gzip.compress(b"x" * 5001, mtime=0), Content_Encoding="gzip"))
    with pytest.raises(FetchFailed, match="/ is larger than 5000 bytes$"):
        fetch_part(url, part)


def test_a_part_that_comes_too_slowly_is_given_up(site: Site) -> None:
    """Also when who keeps it takes the early end for damage."""

    def choosy(chunks: Iterator[bytes]) -> bytes:
        b"".join(chunks)
        raise DocumentRefused("breaks off")

    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    url = site.on("/", raw(head, *[b"x"] * 50, pause=0.1))
    with pytest.raises(FetchFailed, match=r"took longer than 0\.5 seconds"):
        fetch_part(url, Part(choosy, timedelta(seconds=0.5), MIB))


def test_what_is_refused_while_it_streams_is_refused(site: Site) -> None:
    """The one who keeps a part may refuse the document; it isn't asked for again."""

    def refusing(chunks: Iterator[bytes]) -> bytes:
        raise DocumentRefused("no price list")

    url = site.on("/list", reply(200, b"x"))
    with pytest.raises(DocumentRefused, match="^no price list$"):
        fetch_part(url, Part(refusing, timedelta(seconds=5), MIB))
    assert 1 == site.paths().count("/list")


def fetch_part(url: str, part: Part) -> Fetched:
    answer = client_of(max_bytes=1000).fetch(url, part=part)
    assert isinstance(answer, Fetched)
    return answer


def test_a_decompression_bomb_does_not_fill_the_memory(site: Site) -> None:
    """A small answer that unpacks to a huge one is given up at the bound."""
    bomb = gzip.compress(b"\0" * (64 * MIB))
    url = site.on("/", reply(200, bomb, Content_Encoding="gzip"))
    tracemalloc.start()
    try:
        with pytest.raises(FetchFailed, match=f"is larger than {MIB} bytes"):
            fetch(url, max_bytes=MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip"])
def test_an_encoding_that_we_did_not_ask_for_is_refused(site: Site, encoding: str) -> None:
    """Only gzip is unpacked, once."""
    with pytest.raises(FetchFailed, match="we asked for gzip"):
        fetch(site.on("/", reply(200, b"x", Content_Encoding=encoding)))


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(b"$5", mtime=0)[:-4],
        gzip.compress(b"$5", mtime=0) + b"rest",
        b"not gzip at all",
        zlib.compress(b"$5"),
        b"",
    ],
)
def test_damaged_gzip_is_refused(site: Site, damaged: bytes) -> None:
    """Half a compressed page is no page."""
    with pytest.raises(FetchFailed, match="came damaged"):
        fetch(site.on("/", reply(200, damaged, Content_Encoding="gzip")))


@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf a page",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf a page",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"",
        b"220 not a web server\r\n",
    ],
)
def test_a_truncated_answer_is_refused(site: Site, broken: bytes) -> None:
    """Less than was announced is nothing."""
    with pytest.raises(FetchFailed, match="broke off before the whole answer was here"):
        fetch(site.on("/", raw(broken)))


def breaking(
    body: bytes, *breaks: int, etag: str = '"1"', ranges: bool = True, **headers: str
) -> list[Answer]:
    """Answers each of which breaks off after so many bytes; the last one is whole. Of a document
    they send the part that is asked for by its ETag, as web servers do; without `ranges` none does.
    """

    def answer(request: BaseHTTPRequestHandler, end: int | None) -> None:
        asked = request.headers.get("Range", "") if ranges else ""
        same = request.headers.get("If-Range") == etag
        at = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and same else 0
        request.send_response(206 if asked and same else 200)
        if asked and same:
            request.send_header("Content-Range", f"bytes {at}-{len(body) - 1}/{len(body)}")
        request.send_header("Content-Length", str(len(body) - at))
        for name, value in {"ETag": etag, **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body[at:] if end is None else body[at : at + end])
        request.close_connection = True

    return [partial(answer, end=end) for end in (*breaks, None)]


def test_what_breaks_off_goes_on_where_it_was(site: Site) -> None:
    """Only the rest is asked for, of the same document, however often the connection breaks."""
    body = bytes(range(256)) * 4000
    url = site.on("/list", *breaking(body, 300_000, 0, 500_000))
    clock = FakeClock()
    answer = client_of(clock, timeout=timedelta(minutes=1)).fetch(url)
    assert isinstance(answer, Fetched)
    assert answer.body == body
    asked = [request.headers for request in site.requests if request.path == "/list"]
    assert [one.get("Range") for one in asked] == [
        *(None, "bytes=300000-", "bytes=300000-", "bytes=800000-"),
    ]
    assert [one.get("If-Range") for one in asked] == [None, '"1"', '"1"', '"1"']
    assert clock.slept == [1.0, 3.0, 10.0]


def test_what_breaks_off_packed_goes_on_packed(site: Site) -> None:
    """The place is counted in the bytes that are sent, not in those that they unpack to."""
    body = bytes(range(256)) * 400
    url = site.on("/", *breaking(gzip.compress(body, 0), 50_000, Content_Encoding="gzip"))
    assert fetch(url).body == body


def test_a_server_that_stumbles_over_the_rest_is_asked_again(site: Site) -> None:
    """A 503 in between is no other than a broken connection."""
    first, whole = breaking(b"x" * 1000, 10)
    assert fetch(site.on("/", first, reply(503), whole)).body == b"x" * 1000


def test_a_document_that_changed_meanwhile_is_refused(site: Site) -> None:
    """Half of the old and half of the new one would be neither."""
    old, new = breaking(b"old" * 100, 30), breaking(b"new" * 100, etag='"2"')
    for later in (new[-1], reply(206, b"new", ETag='"2"', Content_Range="bytes 30-299/300")):
        with pytest.raises(FetchFailed, match="its rest is not to be had: it has changed"):
            fetch(site.on("/", old[0], later))


@pytest.mark.parametrize("place", ["bytes 29-299/300", "bytes 30-298/300", "bytes 30-299/*", ""])
def test_another_part_than_the_rest_is_refused(site: Site, place: str) -> None:
    """Neither a byte twice nor one that is missing at the end goes unnoticed."""
    part = reply(206, b"x" * 270, ETag='"1"', Content_Range=place)
    with pytest.raises(FetchFailed, match="its rest is not to be had"):
        fetch(site.on("/", breaking(b"x" * 300, 30)[0], part))


@pytest.mark.parametrize("etag", ["", 'W/"1"'])
def test_without_a_strong_etag_nothing_is_resumed(site: Site, etag: str) -> None:
    """A weak one may be that of other bytes (RFC 9110 section 8.8.3)."""
    url = site.on("/list", *breaking(b"x" * 1000, 10, etag=etag))
    with pytest.raises(FetchFailed, match="broke off before the whole answer was here"):
        fetch(url)
    assert 1 == site.paths().count("/list")


def test_what_breaks_off_again_and_again_is_given_up(site: Site) -> None:
    """Six times; then it isn't begun anew, either."""
    url = site.on("/list", *breaking(b"x" * 1000, 10, 10, 10)[:3], reply(503))
    with pytest.raises(FetchFailed, match="/list: the connection broke off after 30 bytes, and"):
        fetch(url, timeout=timedelta(minutes=1))
    assert 6 == site.paths().count("/list")


def test_the_rest_is_asked_for_within_the_deadline(site: Site) -> None:
    """The time is that of the whole document, not of each of its parts."""
    url = site.on("/list", *breaking(b"x" * 1000, *[10] * 6))
    clock = FakeClock()
    with pytest.raises(FetchFailed, match="broke off after 30 bytes"):
        client_of(clock, timeout=timedelta(seconds=10)).fetch(url)
    assert clock.slept == [1.0, 3.0]


def test_a_flood_of_headers_is_refused(site: Site) -> None:
    """Headers are bounded too."""
    flood = b"".join(b"X-%d: y\r\n" % number for number in range(10_000))
    with pytest.raises(FetchFailed, match="broke off"):
        fetch(site.on("/", raw(b"HTTP/1.1 200 OK\r\n" + flood + b"\r\n")))


# Answers without a document


def test_a_refusal_is_reported_and_not_tried_again(site: Site) -> None:
    """403 means no: once is enough, and nothing is disguised."""
    with pytest.raises(FetchFailed, match=r"refuses us.*HTTP 403"):
        fetch(site.on("/", reply(403)))
    assert 1 == site.paths().count("/")


@pytest.mark.parametrize("status", [204, 206, 400, 401, 404, 410, 451])
def test_only_a_200_is_a_document(site: Site, status: int) -> None:
    """Every other answer is told with its number and not tried again."""
    with pytest.raises(FetchFailed, match=f"HTTP {status}"):
        fetch(site.on("/", reply(status)))
    assert 1 == site.paths().count("/")


@pytest.mark.parametrize("status", [429, 503])
def test_the_time_that_a_server_asks_for_is_handed_on(site: Site, status: int) -> None:
    """Retry-After is for the scheduler: no second try here."""
    with pytest.raises(FetchFailed, match=f"HTTP {status}") as caught:
        fetch(site.on("/", reply(status, Retry_After="120")))
    assert NOON + timedelta(minutes=2) == caught.value.retry_after
    assert 1 == site.paths().count("/")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mon, 23 Nov 2026 13:00:00 GMT", NOON + timedelta(hours=1)),
        ("Mon, 23 Nov 2026 11:00:00 GMT", None),
        ("99999999999999999999", NOON + timedelta(days=7)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", NOON + timedelta(days=7)),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("0", None),
        ("-5", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(
    site: Site, text: str, expected: datetime | None
) -> None:
    """Both spellings count, a past or senseless one doesn't, and a week is the most."""
    with pytest.raises(FetchFailed) as caught:
        fetch(site.on("/", reply(429, Retry_After=text)))
    assert expected == caught.value.retry_after


def test_a_server_that_stumbles_is_tried_again(site: Site) -> None:
    """A 500 followed by a 200 is a 200, a second later."""
    clock = FakeClock()
    url = site.on("/", reply(500), reply(200, b"$5"))

    answer = client_of(clock).fetch(url)

    assert isinstance(answer, Fetched)
    assert (b"$5", [1.0]) == (answer.body, clock.slept)


def test_a_server_that_stays_down_is_reported(site: Site) -> None:
    """After three tries the 5xx is the answer."""
    with pytest.raises(FetchFailed, match="HTTP 500"):
        fetch(site.on("/", reply(500)))
    assert 3 == site.paths().count("/")


def test_nobody_at_the_address_is_reported_after_three_tries(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A refused connection is worth a few more tries, then it is an error."""
    clock = FakeClock()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(FetchFailed, match=r"127\.0\.0\.1 can't be reached: Connection refused"):
        client_of(clock).fetch(f"http://127.0.0.1:{port}/")
    assert [1.0, 3.0] == clock.slept


def test_a_message_does_not_show_the_query(site: Site) -> None:
    """Keys stand in queries; errors go into logs and e-mails."""
    with pytest.raises(FetchFailed) as caught:
        fetch(site.on("/prices?key=hunter2", reply(404)))
    assert "hunter2" not in str(caught.value)


# Politeness


def test_robots_txt_is_obeyed(site: Site) -> None:
    """What the site forbids to us is not fetched."""
    site.on("/robots.txt", reply(200, b"User-agent: breakeven\nDisallow: /private/\n"))
    url = site.on("/private/pricing", reply(200, b"$5"))

    with pytest.raises(FetchFailed, match=r"robots\.txt forbids it"):
        fetch(url)
    assert ["/robots.txt"] == site.paths()


def test_robots_txt_is_obeyed_after_a_redirect(site: Site) -> None:
    """A redirect doesn't lead around the site's rules."""
    site.on("/robots.txt", reply(200, b"User-agent: *\nDisallow: /private/\n"))
    site.on("/private/pricing", reply(200, b"$5"))

    with pytest.raises(FetchFailed, match=r"robots\.txt forbids it"):
        fetch(site.on("/pricing", reply(302, Location="/private/pricing")))


def test_robots_txt_for_others_does_not_bind_us(site: Site) -> None:
    """Rules for another robot are not ours."""
    site.on("/robots.txt", reply(200, b"User-agent: GPTBot\nDisallow: /\n"))

    assert b"$5" == fetch(site.on("/pricing", reply(200, b"$5"))).body


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_site_whose_robots_txt_is_in_trouble_is_left_alone(site: Site, status: int) -> None:
    """Without its rules nothing is fetched, until it answers again."""
    site.on("/robots.txt", reply(status, Retry_After="60"))
    with pytest.raises(FetchFailed, match=rf"robots\.txt .*HTTP {status}") as caught:
        fetch(site.on("/pricing", reply(200, b"$5")))
    assert NOON + timedelta(minutes=1) == caught.value.retry_after
    assert "/pricing" not in site.paths()


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_site_without_robots_txt_forbids_nothing(site: Site, status: int) -> None:
    """Any "not there" means that all is allowed (RFC 9309)."""
    site.on("/robots.txt", reply(status))

    assert b"$5" == fetch(site.on("/pricing", reply(200, b"$5"))).body


def test_robots_txt_is_read_once_a_day(site: Site) -> None:
    """The rules are remembered, but not for ever."""
    clock = FakeClock()
    client = client_of(clock)
    url = site.on("/pricing", reply(200, b"$5"))
    for _ in range(3):
        client.fetch(url)
    assert 1 == site.paths().count("/robots.txt")

    clock.sleep(25 * 3600)
    client.fetch(url)
    assert 2 == site.paths().count("/robots.txt")


def test_a_host_is_left_a_pause_between_requests(site: Site) -> None:
    """Two requests to one host are at least the interval apart, robots.txt included."""
    clock = FakeClock()
    client = client_of(clock, min_interval=timedelta(seconds=5))
    url = site.on("/pricing", reply(200, b"$5"))
    client.fetch(url)
    client.fetch(url)
    clock.sleep(60)
    client.fetch(url)

    assert [5, 5, 60] == clock.slept


# Which addresses


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "100.64.0.1",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.7",
        "224.0.0.1",
        "239.1.2.3",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2001::1",
        "2001:db8::1",
        "2002:a9fe:a9fe::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_an_address_inside_is_refused(address: str) -> None:
    """Private, shared, tunnelled, reserved and metadata addresses are never connected to."""
    with pytest.raises(FetchFailed, match="which is not a public address"):
        Door().check(address, name="prices.example", encrypted=True)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "::ffff:1.1.1.1", "104.18.33.45", "2606:4700::1111"]
)
def test_a_public_address_is_permitted_with_tls_only(address: str) -> None:
    """The internet is reached, but never in the clear."""
    door = Door(allow_loopback=True)
    door.check(address, name="prices.example", encrypted=True)
    with pytest.raises(FetchFailed, match="without TLS"):
        door.check(address, name="prices.example", encrypted=False)


@pytest.mark.parametrize(
    "found",
    [["10.0.0.1"], ["1.1.1.1", "10.0.0.1"], ["fd00:ec2::254"], ["64:ff9b::a9fe:a9fe"]],
)
def test_a_name_that_leads_inside_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch, found: list[str]
) -> None:
    """The answer of DNS is checked whole, before any socket is opened."""
    connected: list[Any] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: connected.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", answering(*found))

    with pytest.raises(FetchFailed, match="which is not a public address"):
        fetch("https://prices.example.com/")
    assert [] == connected


def test_loopback_needs_the_setting(site: Site) -> None:
    """This machine is inside too, unless a test or the demo says otherwise."""
    with pytest.raises(FetchFailed, match="is not an address that is fetched"):
        fetch(site.on("/", reply(200, b"$5")), allow_loopback=False)
    with pytest.raises(FetchFailed, match="which is not a public address"):
        fetch(f"https://127.0.0.1:{site.port}/", allow_loopback=False)
    assert [] == site.paths()


@pytest.mark.parametrize("url", ["http://169.254.169.254/", "http://2852039166/"])
def test_the_loopback_setting_opens_nothing_else(url: str) -> None:
    """With it, metadata services stay out of reach."""
    with pytest.raises(FetchFailed, match="which is not a public address"):
        fetch(url)


@pytest.mark.parametrize(
    "url",
    ["", "pricing", "file:///etc/passwd", "https://", "https://u:p@example.com/", "https://["],
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    """The address is named in the error."""
    with pytest.raises(FetchFailed, match="is not an address that is fetched"):
        fetch(url)


@pytest.mark.parametrize(
    "url", ["https://u:hunter2@example.com/", "ftp://example.com/p?key=hunter2#x", "//a:hunter2@b"]
)
def test_an_address_that_is_refused_keeps_its_secrets(url: str) -> None:
    """Errors go into the database and to the terminal: neither a login nor a key is in them."""
    with pytest.raises(FetchFailed, match="is not an address that is fetched") as caught:
        fetch(url)

    assert "hunter2" not in str(caught.value)


def test_the_environment_sets_no_proxy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the settings say where requests go."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)

    assert b"$5" == fetch(site.on("/", reply(200, b"$5"))).body


def answering(*addresses: str) -> Callable[..., list[Any]]:
    """A DNS that knows only these addresses, whatever the name."""

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        family = {True: socket.AF_INET6, False: socket.AF_INET}
        return [
            (family[":" in address], socket.SOCK_STREAM, 0, "", (address, port))
            for address in addresses
        ]

    return getaddrinfo


# TLS and the proxy


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate, with its key, for the name prices.example.com."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "prices.example.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("prices.example.com")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(pem))
    return path


@pytest.fixture
def secure_site(certificate: Path) -> Iterator[Site]:
    """The same site behind TLS."""
    made = Site()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    made.server.socket = context.wrap_socket(made.server.socket, server_side=True)
    with running(made.server):
        yield made


def test_tls_verifies_the_name_although_the_address_is_ours(
    secure_site: Site, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checked address is connected to; the certificate must be that of the name asked for."""
    monkeypatch.setattr(socket, "getaddrinfo", answering("127.0.0.1"))
    secure_site.on("/", reply(200, b"$5"))

    right = f"https://prices.example.com:{secure_site.port}/"
    assert b"$5" == fetch(right, ca_file=certificate).body
    with pytest.raises(FetchFailed, match="certificate is not valid for that name"):
        fetch(f"https://other.example.com:{secure_site.port}/", ca_file=certificate)
    with pytest.raises(FetchFailed, match="certificate is not valid for that name"):
        fetch(right)


def test_a_redirect_from_https_to_http_is_not_followed(
    secure_site: Site, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What began encrypted stays so."""
    monkeypatch.setattr(socket, "getaddrinfo", answering("127.0.0.1"))
    secure_site.on("/", reply(302, Location="http://prices.example.com/"))

    with pytest.raises(FetchFailed, match="redirects to plain http"):
        fetch(f"https://prices.example.com:{secure_site.port}/", ca_file=certificate)


def test_a_drip_through_tls_is_cut_off_at_the_deadline(
    secure_site: Site, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Encryption changes nothing about the deadline."""
    monkeypatch.setattr(socket, "getaddrinfo", answering("127.0.0.1"))
    secure_site.on("/", raw(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x"] * 50, pause=0.1))
    client = client_of(ca_file=certificate, timeout=timedelta(seconds=0.5))

    started = time.monotonic()
    with pytest.raises(FetchFailed, match="took longer than"):
        client.fetch(f"https://prices.example.com:{secure_site.port}/")
    assert time.monotonic() - started < 3


class Proxy(BaseHTTPRequestHandler):
    """A proxy that leads every name to this machine."""

    names: list[str]

    def do_CONNECT(self) -> None:
        self.names.append(self.path)
        port = int(self.path.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as there:
            self.send_response(200)
            self.end_headers()
            pairs = {self.connection: there, there: self.connection}
            while True:
                for ready in select.select(list(pairs), [], [])[0]:
                    data = ready.recv(65_536)
                    if not data:
                        return
                    pairs[ready].sendall(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[ThreadingHTTPServer]:
    """A proxy on this machine."""
    Proxy.names = []
    server = Server(("127.0.0.1", 0), Proxy)
    with running(server):
        yield server


def test_a_configured_proxy_is_used_and_resolves_the_name(
    secure_site: Site, certificate: Path, proxy: ThreadingHTTPServer
) -> None:
    """The user's own proxy may be inside; the site behind it still proves its name."""
    secure_site.on("/", reply(200, b"$5"))
    where = f"prices.example.com:{secure_site.port}"
    settings = {
        "proxy": f"http://127.0.0.1:{proxy.server_port}",
        "ca_file": certificate,
        "allow_loopback": False,
    }

    assert b"$5" == fetch(f"https://{where}/", **settings).body
    assert [where, where] == Proxy.names


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "2852039166", "0xa9fea9fe", "[::1]", "printer"]
)
def test_a_proxy_is_not_asked_for_what_is_no_public_name(
    proxy: ThreadingHTTPServer, host: str
) -> None:
    """Where we can't check the address, only a full name will do."""
    with pytest.raises(FetchFailed, match="is not an address that is fetched"):
        fetch(f"https://{host}/", proxy=f"http://127.0.0.1:{proxy.server_port}")
    assert [] == Proxy.names


# Settings


def test_settings_come_from_their_table(tmp_path: Path) -> None:
    """Every key of `[http]` arrives in its type."""
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    values = {
        "contact": "mailto:finops@example.com",
        "timeout": "90s",
        "max_bytes": 1000,
        "min_interval": "2s",
        "proxy": "http://proxy.example.com:3128",
        "ca_file": str(bundle),
        "allow_loopback": True,
    }
    expected = HttpSettings(
        contact="mailto:finops@example.com",
        timeout=timedelta(seconds=90),
        max_bytes=1000,
        min_interval=timedelta(seconds=2),
        proxy="http://proxy.example.com:3128",
        ca_file=bundle,
        allow_loopback=True,
    )
    assert expected == HttpSettings.from_table(Table(values, "[http]"))


def test_an_absent_table_gives_the_defaults() -> None:
    """The defaults of the table and of the class are the same ones."""
    assert HttpSettings() == HttpSettings.from_table(Table({}, "[http]"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("contact", "a\r\nX-Admin: 1"),
        ("contact", "Zoë"),
        ("timeout", "0s"),
        ("max_bytes", 0),
        ("proxy", "proxy.example.com:3128"),
        ("ca_file", "/nowhere/ca.pem"),
        ("retries", 3),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(key: str, value: object) -> None:
    """The error names the key."""
    with pytest.raises(ConfigError, match=rf"\[http\]: {key} "):
        HttpSettings.from_table(Table({key: value}, "[http]"))


def test_a_proxy_password_is_not_printed() -> None:
    """Settings are printed in logs and reports."""
    assert "hunter2" not in repr(HttpSettings(proxy="http://me:hunter2@proxy.example.com:3128"))
