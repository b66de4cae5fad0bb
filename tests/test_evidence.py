"""The evidence store: what was put is what is got, or an error says so."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricebook.errors import EvidenceLost
from scraper.evidence import EvidenceFolder

ENDLESS_PUTS = """
import os, sys
from pathlib import Path
from scraper.evidence import EvidenceFolder
store = EvidenceFolder(Path(sys.argv[1]))
while True:
    store.put(os.urandom(100_000))
"""


@pytest.fixture
def store(tmp_path: Path) -> EvidenceFolder:
    """A store whose folder doesn't exist yet."""
    return EvidenceFolder(tmp_path / "evidence")


def files(store: EvidenceFolder) -> list[Path]:
    """All files of a store, drafts included."""
    return [path for path in store.root.rglob("*") if path.is_file()]


@given(content=st.binary(max_size=2000))
def test_what_was_put_is_got(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """The content comes back byte by byte under the SHA-256 of its bytes."""
    store = EvidenceFolder(tmp_path_factory.mktemp("evidence"))

    digest = store.put(content)

    assert sha256(content).hexdigest() == digest
    assert content == store.get(digest)


def test_the_place_of_a_file_follows_from_its_hash(store: EvidenceFolder) -> None:
    """People find an answer by hand: two letters, a slash, the whole hash."""
    digest = store.put(b"$5")

    assert [store.root / digest[:2] / f"{digest}.gz"] == files(store)


def test_equal_content_gives_equal_files(tmp_path: Path) -> None:
    """No time and no name goes into the file, so that copies can be compared."""
    one, other = EvidenceFolder(tmp_path / "one"), EvidenceFolder(tmp_path / "other")
    one.put(b"$5")
    other.put(b"$5")

    assert files(one)[0].read_bytes() == files(other)[0].read_bytes()
    # The four bytes of the time (RFC 1952 section 2.3).
    assert bytes(4) == files(one)[0].read_bytes()[4:8]


def test_putting_twice_writes_once(store: EvidenceFolder) -> None:
    """An answer that is there already is left alone."""
    first = store.put(b"$5")
    written = files(store)[0].stat().st_mtime_ns, files(store)[0].stat().st_ino

    assert first == store.put(b"$5")
    assert [written] == [(path.stat().st_mtime_ns, path.stat().st_ino) for path in files(store)]


def test_what_is_missing_is_named(store: EvidenceFolder) -> None:
    """A lost answer is an error with the file's name and what to do."""
    digest = sha256(b"never put").hexdigest()
    with pytest.raises(EvidenceLost, match=f"{digest}.gz is missing: restore"):
        store.get(digest)


@pytest.mark.parametrize(
    ("damaged", "reason"),
    [
        (b"", "is not what was stored"),
        (b"not gzip", "can't be read"),
        (gzip.compress(b"$5", mtime=0)[:-6], "can't be read"),
        (gzip.compress(b"$5", mtime=0)[:12] + b"\xff" * 12, "can't be read"),
        (gzip.compress(b"$50", mtime=0), "is not what was stored"),
    ],
)
def test_what_is_damaged_is_never_given_out(
    store: EvidenceFolder, damaged: bytes, reason: str
) -> None:
    """The hash is checked at each reading."""
    digest = store.put(b"$5")
    files(store)[0].write_bytes(damaged)

    with pytest.raises(EvidenceLost, match=reason):
        store.get(digest)


def test_a_damaged_file_is_mended_by_the_same_answer(store: EvidenceFolder) -> None:
    """Putting again what is damaged replaces it."""
    digest = store.put(b"$5")
    files(store)[0].write_bytes(b"damaged")
    store.put(b"$5")

    assert b"$5" == store.get(digest)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_what_is_no_hash_is_no_file_name(store: EvidenceFolder, digest: str) -> None:
    """A hash from elsewhere can't lead out of the folder."""
    with pytest.raises(EvidenceLost, match="is not the SHA-256 of anything stored"):
        store.get(digest)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A full disk or a wrong path is one sentence, not a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(EvidenceLost, match="can't be written: Not a directory"):
        EvidenceFolder(tmp_path / "file").put(b"$5")


def test_a_failed_write_leaves_nothing(
    store: EvidenceFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up in the middle leaves neither the file nor a draft of it."""

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EvidenceLost, match="No space left on device"):
        store.put(b"$5")
    assert [] == files(store)


def test_kill_9_never_leaves_half_a_file(tmp_path: Path) -> None:
    """Whenever the process dies, every file under its final name is whole."""
    store = EvidenceFolder(tmp_path)
    for _ in range(5):
        writer = subprocess.Popen([sys.executable, "-c", ENDLESS_PUTS, str(tmp_path)])
        before = len(list(tmp_path.glob("*/*.gz")))
        while len(list(tmp_path.glob("*/*.gz"))) < before + 5:
            time.sleep(0.01)
        writer.send_signal(signal.SIGKILL)
        writer.wait()

    kept = [path.stem for path in tmp_path.glob("*/[0-9a-f]*.gz")]
    assert len(kept) >= 25
    assert kept == [sha256(store.get(digest)).hexdigest() for digest in kept]


def test_what_a_killed_writer_left_is_swept_up(store: EvidenceFolder) -> None:
    """A draft that nobody has touched for an hour goes; one that is being written stays."""
    old, young = store.root / ".draft-old", store.root / ".draft-young"
    store.root.mkdir()
    for draft in (old, young):
        draft.write_bytes(b"half an ans")
    an_hour_ago = time.time() - 3601
    os.utime(old, (an_hour_ago, an_hour_ago))

    digest = store.put(b"the next answer")

    assert {store.root / digest[:2] / f"{digest}.gz", young} == set(files(store))
