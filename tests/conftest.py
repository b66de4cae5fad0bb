"""Shared by all tests: both databases, a clock, and where the real data lies."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from sqlalchemy import Engine, text

from pricebook.schema import connect, open_book

SHARED = Path(__file__).parents[1] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with real pages and prices, which is not part of the repository."""
    if not SHARED.is_dir():
        pytest.skip("the real data (../shared/data) is not on this machine")
    return SHARED.resolve()


@pytest.fixture(autouse=True)
def no_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dummy AWS settings, so that no test can find an account or a metadata service."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    # It remembers the credentials of the first test that had any.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A PostgreSQL cluster of this test run's own: the start of its database addresses."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server on this machine (initdb not found)")
    with tempfile.TemporaryDirectory(prefix="breakeven-pg-") as folder:
        owner = "postgres" if os.geteuid() == 0 else None
        if owner:
            shutil.chown(folder, owner)
        port = _free_port()
        data = f"{folder}/data"
        _as(owner, [programs / "initdb", "-D", data, "-A", "trust", "-U", "breakeven", "-N"])
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        start = [programs / "pg_ctl", "-D", data, "-w", "-l", f"{folder}/log", "-o", options]
        _as(owner, [*start, "start"])
        try:
            yield f"postgresql://breakeven@127.0.0.1:{port}/"
        finally:
            _as(owner, [programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"])


@pytest.fixture(params=["sqlite", "postgresql"])
def book_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, once for each kind that we support."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/book.db"
        return
    with empty_database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lasting_book_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The same for all tests of a module, which only ask it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('lasting')}/book.db"
        return
    with empty_database(request.getfixturevalue("postgres_server")) as url:
        yield url


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The address of an empty database on PostgreSQL, for what concerns nothing else."""
    with empty_database(postgres_server) as url:
        yield url


@contextmanager
def empty_database(server: str) -> Iterator[str]:
    """A database of its own on the server, for a while."""
    name = f"t{time.monotonic_ns()}"
    admin = connect(f"{server}postgres").execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
    yield f"{server}{name}"
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def book(book_url: str) -> Iterator[Engine]:
    """A fresh price book on each database."""
    engine = open_book(book_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sqlite_book(tmp_path: Path) -> Iterator[Engine]:
    """A fresh price book on SQLite, for what doesn't depend on the database."""
    engine = open_book(f"sqlite:///{tmp_path}/book.db")
    yield engine
    engine.dispose()


@pytest.fixture
def noon() -> datetime:
    """A fixed time: tests never ask the clock."""
    return datetime(2026, 11, 23, 12, tzinfo=UTC)


def _postgres_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    usable = found and (os.geteuid() != 0 or _user_exists("postgres"))
    return found[-1].parent if usable else None


def _user_exists(name: str) -> bool:
    return name in {entry.pw_name for entry in pwd.getpwall()}


def _as(owner: str | None, command: list[str | Path]) -> None:
    # The server refuses to run as root.
    subprocess.run(command, user=owner, check=True, stdout=subprocess.DEVNULL, cwd="/")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
