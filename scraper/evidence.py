"""The raw answers that prices were read from, kept by the SHA-256 of their bytes."""

from __future__ import annotations

import gzip
import os
import re
import secrets
import time
import zlib
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from pricebook.errors import EvidenceLost

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DRAFT = ".draft-"
_ABANDONED_SECONDS = 3600

FRESH = timedelta(days=1)
"""What is put again after that is written again, so that its age tells whether it is in use."""


class Evidence(Protocol):
    """Where raw answers are kept."""

    def put(self, content: bytes) -> str:
        """Keep it, unless it is there already; returns its SHA-256 in hexadecimal."""
        ...

    def get(self, digest: str) -> bytes:
        """The content with that SHA-256; EvidenceLost when it is missing or damaged."""
        ...

    def drop(self, digest: str) -> bool:
        """Forget it, unless it was put within `FRESH`: then somebody may be about to need it."""
        ...


class EvidenceFolder:
    """Evidence as `ab/abcdef....gz` under a folder, which is made when it is first needed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, content: bytes) -> str:
        """Keep it for good: once this returns, neither a kill nor a power cut takes it away.

        EvidenceLost when it can't be written.
        """
        digest = sha256(content).hexdigest()
        path = self._path(digest)
        if not self._holds(digest):
            try:
                _write_whole(path, packed(content), drafts=self.root)
            except OSError as error:
                raise EvidenceLost(f"{path} can't be written: {error.strerror}") from None
        return digest

    def get(self, digest: str) -> bytes:
        """The content with that SHA-256; EvidenceLost when it is missing or damaged."""
        path = self._path(digest)
        try:
            stored = path.read_bytes()
        except FileNotFoundError:
            raise EvidenceLost(f"{path} is missing: restore the folder from a backup") from None
        except OSError as error:
            raise EvidenceLost(f"{path} can't be read: {error}") from None
        return unpacked(stored, digest, str(path))

    def drop(self, digest: str) -> bool:
        """Forget it, unless it was put within `FRESH`: then somebody may be about to need it."""
        path, draft = self._path(digest), self.root / f"{_DRAFT}{secrets.token_hex(8)}"
        try:
            # Away first, then looked at: who puts it in between writes a file of its own.
            path.replace(draft)
        except FileNotFoundError:
            return False
        if _is_fresh(draft):
            draft.replace(path)
            return False
        draft.unlink()
        return True

    def _holds(self, digest: str) -> bool:
        # Read whole: a damaged file is replaced when the same answer comes again.
        try:
            self.get(digest)
            return _is_fresh(self._path(digest))
        except (EvidenceLost, FileNotFoundError):
            return False

    def _path(self, digest: str) -> Path:
        return self.root / name_of(digest)


def name_of(digest: str) -> str:
    """`ab/abcdef....gz`: where a store keeps the content with that SHA-256."""
    if not _SHA256.fullmatch(digest):
        raise EvidenceLost(f"{digest!r} is not the SHA-256 of anything stored")
    return f"{digest[:2]}/{digest}.gz"


def packed(content: bytes) -> bytes:
    """The content as a store keeps it: the same bytes whenever and wherever it is put."""
    # Level 9, the default, takes twice the time of 6 and saves a fiftieth of the room.
    return gzip.compress(content, 6, mtime=0)


def unpacked(stored: bytes, digest: str, place: str) -> bytes:
    """The content again; EvidenceLost, naming the place, when it isn't what has that SHA-256."""
    try:
        content = gzip.decompress(stored)
    except (OSError, EOFError, zlib.error) as error:
        raise EvidenceLost(f"{place} can't be read: {error}") from None
    if sha256(content).hexdigest() != digest:
        raise EvidenceLost(f"{place} is not what was stored: restore it from a backup")
    return content


def _is_fresh(file: Path) -> bool:
    return time.time() - file.stat().st_mtime < FRESH.total_seconds()


def _write_whole(path: Path, content: bytes, drafts: Path) -> None:
    """Write a file that is there whole or not at all, whenever the process or machine stops."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(drafts)
    draft = drafts / f"{_DRAFT}{secrets.token_hex(8)}"
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync(path.parent)
    _sync(path.parent.parent)


def _sweep(drafts: Path) -> None:
    """Remove what processes left behind that were killed while they wrote."""
    for draft in drafts.glob(f"{_DRAFT}*"):
        with suppress(FileNotFoundError):
            if time.time() - draft.stat().st_mtime > _ABANDONED_SECONDS:
                draft.unlink()


def _sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
