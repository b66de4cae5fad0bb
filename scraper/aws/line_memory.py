"""What is remembered of a price list's lines, so that of the next list only what is new is read.

A list has hundreds of megabytes and hardly changes, but every publication moves its dates. So the
dates are masked, lines are known by digests, and runs of lines by one digest for all of them: what
follows the old list run by run is never even split into lines. Nothing is assumed about a line's
contents, nor about their order: lines that moved are found again.
"""

from __future__ import annotations

import hashlib
import io
import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import accumulate
from tempfile import SpooledTemporaryFile
from typing import Any, TypeAlias

from pricebook.errors import DocumentRefused

Mask: TypeAlias = Callable[[bytes], bytes]
"""Blanks what moves with every publication; what it gives is as long as what it got."""

_Line: TypeAlias = tuple[bytes, bytes, bytes]
"""Digest, content, content masked."""

DIGEST_BYTES = 8
"""One line in 2^64 that changed would be taken for unchanged: a list has some 10^6."""
FORGOTTEN = bytes(DIGEST_BYTES)
"""The digest of a line, or a block, that shall be read again from the next list."""

_BLOCK_BYTES = 8192
_WINDOW_BYTES = 1 << 17
_AHEAD = 64
"""How many blocks ahead the place is sought from which the lists go on alike."""
_LOST = 20_000
"""After so many lines without such a place the list is taken to be in another order."""
_IN_MEMORY = 8 << 20
_HEADER = struct.Struct("<8sQQ")


def digest_of(content: bytes | memoryview) -> bytes:
    """What lines and blocks are known by. SHA-1: of what Python brings along, the fastest on any
    machine that isn't broken on purpose; who could forge a list needs no collision."""
    return hashlib.sha1(content, usedforsecurity=False).digest()[:DIGEST_BYTES]


@dataclass(slots=True)
class Memory:
    """The lines of a list in their order: of each its digest and a number (what it stands for),
    and the blocks that they make up: bytes, lines and digest of each.

    Digests stand one behind the other in a bytearray, integers in an array of 32 bits; unpacked,
    both are views.
    """

    columns: bytes = FORGOTTEN
    """Digest of what the lines were read by: of other columns nothing is known."""
    lines: Any = field(default_factory=bytearray)
    numbers: Any = field(default_factory=lambda: array("I"))
    blocks: Any = field(default_factory=bytearray)
    sizes: Any = field(default_factory=lambda: array("I"))
    counts: Any = field(default_factory=lambda: array("I"))

    def __len__(self) -> int:
        return len(self.numbers)

    def digest(self, position: int) -> bytes:
        """The digest of the line there."""
        return bytes(self.lines[position * DIGEST_BYTES : (position + 1) * DIGEST_BYTES])

    def forget(self, positions: Iterable[int]) -> None:
        """Let these lines count as new in the next list, and stand for nothing."""
        ends = list(accumulate(self.counts))
        for position in positions:
            self.numbers[position] = 0
            _set_digest(self.lines, position, FORGOTTEN)
            _set_digest(self.blocks, bisect_right(ends, position), FORGOTTEN)

    def forget_numbers(self, numbers: Collection[int]) -> None:
        """Forget the lines that stand for these."""
        if numbers:
            self.forget([at for at, number in enumerate(self.numbers) if number in numbers])

    def pack(self) -> bytes:
        """As the book keeps it: 12 bytes a line and a little more."""
        header = _HEADER.pack(self.columns, len(self.numbers), len(self.sizes))
        parts = (header, self.lines, self.numbers, self.blocks, self.sizes, self.counts)
        return b"".join(parts)

    @classmethod
    def unpack(cls, packed: bytes) -> Memory:
        """The inverse of `pack`, to be read only: it lies in those bytes and takes no others."""
        columns, lines, blocks = _HEADER.unpack_from(packed)
        view, at, found = memoryview(packed), _HEADER.size, []
        for size in (
            DIGEST_BYTES * lines,
            4 * lines,
            DIGEST_BYTES * blocks,
            4 * blocks,
            4 * blocks,
        ):
            found.append(view[at : at + size])
            at += size
        digests, numbers, of_blocks, sizes, counts = found
        return cls(
            columns, digests, numbers.cast("I"), of_blocks, sizes.cast("I"), counts.cast("I")
        )


@dataclass(slots=True)
class Comparison:
    """A list beside the last one: `memory` is of the new list, and what stands at the positions
    `fresh` in it is not in the old one: these lines lie in `spool`, as they came, in this order.

    `gone` are the numbers of the old list's lines that the new one doesn't have.
    """

    memory: Memory
    had_memory: bool = False
    """Whether there was anything to compare with."""
    fresh: array[int] = field(default_factory=lambda: array("I"))
    gone: set[int] = field(default_factory=set)
    spool: SpooledTemporaryFile[bytes] = field(
        default_factory=lambda: SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by `close`
    )

    def fresh_lines(self) -> Iterator[bytes]:
        """The lines that are not in the old list; they may be read more than once."""
        self.spool.seek(0)
        return iter(self.spool)

    @property
    def spool_bytes(self) -> int:
        """How much the fresh lines are."""
        return self.spool.seek(0, io.SEEK_END)

    def fresh_text(self) -> bytes:
        """The fresh lines in one piece."""
        self.spool.seek(0)
        return self.spool.read()

    @property
    def is_new(self) -> bool:
        """Whether the lists differ in more than their dates."""
        return bool(self.fresh or self.gone)

    def knows(self, number: int) -> bool:
        """Whether a line stands for this number."""
        return self.had_memory and number in self.memory.numbers

    def close(self) -> None:
        """Let go of the lines."""
        self.spool.close()


def compare(
    chunks: Iterable[bytes], old: Memory, mask: Mask, columns: bytes, source: str
) -> Comparison:
    """Compare the rows of a list that comes in pieces with the last list.

    DocumentRefused when the last row has no end. Memory: 12 bytes for each line of both lists and
    a few megabytes; where the lines are in another order, some 100 bytes for each.
    """
    walk = _Walk(old if old.columns == columns else Memory(), mask, columns)
    with ExitStack() as on_error:
        on_error.callback(walk.found.close)
        rest = b""
        for window in _windows(chunks):
            content = rest + window
            done = walk.take(content[: content.rfind(b"\n") + 1])
            rest = content[done:]
        if rest and not rest.endswith(b"\n"):
            raise DocumentRefused(f"{source}: the price list breaks off within a line")
        walk.end(rest)
        on_error.pop_all()
    return walk.found


def _windows(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that are large enough to be worth a step."""
    held: list[bytes] = []
    for chunk in chunks:
        held.append(chunk)
        if sum(map(len, held)) >= _WINDOW_BYTES:
            yield b"".join(held)
            held.clear()
    yield b"".join(held)


class _Walk:
    """Goes through both lists side by side: by blocks as long as they are the same, else by lines
    up to a place from which they go on alike. `found` is complete after `end`."""

    def __init__(self, old: Memory, mask: Mask, columns: bytes) -> None:
        self._old, self._mask = old, mask
        self._starts = array("I", accumulate(old.counts, initial=0))
        self._firsts = [old.digest(position) for position in self._starts[:-1]]
        self._block = self._position = 0
        """Where in the old list we are: the block, and its first line."""
        self._astray: list[_Line] = []
        """The lines since the lists parted."""
        self._ways_back: dict[bytes, int] | None = None
        """The next blocks by their first lines; None while the lists are alike."""
        self._unordered: dict[bytes, int] | None = None if len(old) else {}
        """The positions of all old lines that weren't met yet, once the order is lost."""
        self.found = Comparison(Memory(columns), had_memory=len(old) > 0)

    def take(self, content: bytes) -> int:
        """Compare whole lines; gives how many of their bytes are done with."""
        masked = self._mask(content)
        at = 0
        while self._unordered is None:
            if self._ways_back is None:
                at = self._follow(masked, at)
                if self._block < len(self._old.sizes) and self._reaches_past(at, len(masked)):
                    return at
                self._part()
            if at == len(content):
                return at
            at = self._seek(content, masked, at)
        if self._unordered:
            self._match(_lines(content[at:], masked[at:]), self._unordered)
        else:
            self._add(content[at:], _ended(masked[at:]))
        return len(content)

    def end(self, content: bytes) -> None:
        """The last lines, shorter than a block, and what the old list has beyond them."""
        lines = [*self._astray, *_lines(content, self._mask(content))]
        known = self._positions(len(self._old)) if self._unordered is None else self._unordered
        self._match(lines, known)
        self._lose(known.values())
        self.found.gone.discard(0)

    def _reaches_past(self, at: int, end: int) -> bool:
        size: int = self._old.sizes[self._block]
        return at + size > end

    def _follow(self, masked: bytes, at: int) -> int:
        """Past the blocks that are the same."""
        view, sizes, blocks = memoryview(masked), self._old.sizes, self._old.blocks
        block = self._block
        while block < len(sizes):
            end, start = at + sizes[block], block * DIGEST_BYTES
            if end > len(view):
                break
            if digest_of(view[at:end]) != blocks[start : start + DIGEST_BYTES]:
                break
            at, block = end, block + 1
        self._keep(block)
        return at

    def _keep(self, end: int) -> None:
        """Remember the old list's blocks up to this one as the new one's."""
        old, new, first = self._old, self.found.memory, self._block
        start, stop = self._position, self._starts[end]
        new.lines += old.lines[start * DIGEST_BYTES : stop * DIGEST_BYTES]
        new.numbers.frombytes(_as_bytes(old.numbers[start:stop]))
        new.blocks += old.blocks[first * DIGEST_BYTES : end * DIGEST_BYTES]
        new.sizes.frombytes(_as_bytes(old.sizes[first:end]))
        new.counts.frombytes(_as_bytes(old.counts[first:end]))
        self._block, self._position = end, stop

    def _part(self) -> None:
        """Note by which lines the lists may come together again."""
        end = min(self._block + _AHEAD, len(self._old.sizes))
        ahead = range(end - 1, self._block - 1, -1)  # of two that begin alike the nearer one counts
        firsts = self._firsts[self._block : end]
        self._ways_back = dict(zip(reversed(firsts), ahead, strict=True))

    def _seek(self, content: bytes, masked: bytes, at: int) -> int:
        """Line by line, up to a place from which the lists may go on alike."""
        ways_back = self._ways_back or {}
        while at < len(content):
            end = content.index(b"\n", at) + 1
            digest = digest_of(masked[at:end])
            block = ways_back.get(digest)
            # At the very line where they parted they don't.
            if block is not None and (self._astray or block != self._block):
                self._meet(block)
                return at
            self._astray.append((digest, content[at:end], masked[at:end]))
            at = end
        if len(self._astray) > _LOST:
            self._unordered = self._positions(len(self._old))
            self._match(self._astray, self._unordered)
            self._astray = []
        return at

    def _meet(self, block: int) -> None:
        """Settle what came since the lists parted, against what the old one has up to here."""
        position = self._starts[block]
        known = self._positions(position)
        self._match(self._astray, known)
        self._lose(known.values())
        self._block, self._position = block, position
        self._astray, self._ways_back = [], None

    def _positions(self, end: int) -> dict[bytes, int]:
        """The old lines from here to there, by digest."""
        return {self._old.digest(position): position for position in range(self._position, end)}

    def _lose(self, positions: Iterable[int]) -> None:
        self.found.gone.update(self._old.numbers[position] for position in positions)

    def _match(self, lines: Sequence[_Line], known: dict[bytes, int]) -> None:
        """Remember these lines; those that are not among the known ones are fresh."""
        memory, fresh = self.found.memory, []
        for digest, content, _ in lines:
            position = known.pop(digest, None)
            if position is None:
                self.found.fresh.append(len(memory))
                fresh.append(content)
            memory.lines += digest
            memory.numbers.append(0 if position is None else self._old.numbers[position])
        self.found.spool.write(b"".join(fresh))
        _add_blocks(memory, [masked for _, _, masked in lines])

    def _add(self, content: bytes, masked: list[bytes]) -> None:
        """Remember lines of which none can be known."""
        memory, found, first = self.found.memory, self.found, len(self.found.memory)
        found.spool.write(content)
        found.fresh.extend(range(first, first + len(masked)))
        memory.numbers.frombytes(bytes(memory.numbers.itemsize * len(masked)))
        memory.lines += b"".join([digest_of(line) for line in masked])
        _add_blocks(memory, masked)


def _lines(content: bytes, masked: bytes) -> list[_Line]:
    pairs = zip(_ended(content), _ended(masked), strict=True)
    return [(digest_of(blank), line, blank) for line, blank in pairs]


def _ended(content: bytes) -> list[bytes]:
    # Not by splitlines, which ends lines at a carriage return, too.
    return [line + b"\n" for line in content.split(b"\n")[:-1]]


def _add_blocks(memory: Memory, lines: Sequence[bytes]) -> None:
    """Make blocks of the lines that were remembered last."""
    start = size = 0
    for end, line in enumerate(lines, 1):
        size += len(line)
        if size >= _BLOCK_BYTES or end == len(lines):
            memory.blocks += digest_of(b"".join(lines[start:end]))
            memory.sizes.append(size)
            memory.counts.append(end - start)
            start, size = end, 0


def _as_bytes(integers: Any) -> memoryview:
    return memoryview(integers).cast("B")


def _set_digest(digests: bytearray, place: int, digest: bytes) -> None:
    digests[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES] = digest
