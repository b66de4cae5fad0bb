"""What is remembered of a price list's lines, so that of the next list only what is new is read.

A list has hundreds of megabytes and hardly changes, but every publication moves its dates. So the
dates are masked, lines are known by digests, and runs of lines by one digest for all of them: what
follows the old list run by run is never even split into lines. Nothing is assumed about a line's
contents, nor about their order: lines that moved are found again.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, TypeAlias

from xxhash import xxh3_64_intdigest

from pricebook.errors import DocumentRefused

_Line: TypeAlias = tuple[int, bytes]
"""Digest and content."""

NO_DATE = b"0000-00-00"
"""What masks the date of a publication: it is as long."""
_NO_CELL = b'"%b"' % NO_DATE
FORGOTTEN = 0
"""The digest of a line, or a block, that shall be read again from the next list."""

_FORMAT = f"lines 3{sys.byteorder[0]}".encode()
"""To be changed with what stands in a memory, or how: then older ones are as good as none, as are
those of a machine whose integers begin at their other end."""
_BLOCK_BYTES = 12_288
"""Smaller ones take more steps, larger ones more lines a change: 8 to 16 KB cost the same."""
_WINDOW_BYTES = 1 << 16
"""More at once is slower: it no longer stays in the processor's cache."""
_AHEAD = 64
"""How many blocks ahead the place is sought from which the lists go on alike."""
_LOST = 20_000
"""After so many lines without such a place the list is taken to be in another order."""
_HELD = 1000
"""Lines that differ in an otherwise equal stretch, before it is copied."""
_HEADER = struct.Struct("<8s3Q")
_CODES = "QIQII"
"""What the arrays of a memory hold, in their order: integers of 64 and 32 bits."""


digest_of: Callable[[bytes | bytearray | memoryview], int] = xxh3_64_intdigest
"""What lines and blocks are known by: one of 2^64 that changed would be taken for unchanged, and a
list has some 10^6 lines. No defence against whoever forges a list: he needs none."""


@dataclass(slots=True)
class Memory:
    """The lines of a list in their order: of each its digest and a number (what it stands for);
    and the blocks that they make up: digest, bytes and lines of each.

    All are arrays; unpacked, they are views.
    """

    columns: int = FORGOTTEN
    """Digest of what the lines were read by: of other columns nothing is known."""
    lines: Any = field(default_factory=lambda: array("Q"))
    numbers: Any = field(default_factory=lambda: array("I"))
    blocks: Any = field(default_factory=lambda: array("Q"))
    sizes: Any = field(default_factory=lambda: array("I"))
    counts: Any = field(default_factory=lambda: array("I"))

    def __len__(self) -> int:
        return len(self.numbers)

    def forget(self, positions: Iterable[int]) -> None:
        """Let these lines count as new in the next list, and stand for nothing."""
        ends = list(accumulate(self.counts))
        for position in positions:
            self.numbers[position] = 0
            self.lines[position] = FORGOTTEN
            self.blocks[bisect_right(ends, position)] = FORGOTTEN

    def forget_numbers(self, numbers: Collection[int]) -> None:
        """Forget the lines that stand for these."""
        if numbers:
            self.forget([at for at, number in enumerate(self.numbers) if number in numbers])

    def add_block(self, masked: memoryview, lines: int) -> None:
        """Note that the last lines make up a block; its dates are masked."""
        self.blocks.append(digest_of(masked))
        self.sizes.append(len(masked))
        self.counts.append(lines)

    def copy(self, other: Memory, lines: slice, blocks: slice) -> None:
        """Add these of another memory."""
        parts = (lines, lines, blocks, blocks, blocks)
        for own, theirs, part in zip(self._arrays, other._arrays, parts, strict=True):
            view: Any = memoryview(theirs[part])
            own.frombytes(view.cast("B"))

    @property
    def _arrays(self) -> tuple[Any, ...]:
        return (self.lines, self.numbers, self.blocks, self.sizes, self.counts)

    def pieces(self) -> tuple[Any, ...]:
        """As the book keeps it, one behind the other: 12 bytes a line and a little more."""
        header = _HEADER.pack(_FORMAT, self.columns, len(self.lines), len(self.blocks))
        return (header, *self._arrays)

    @classmethod
    def unpack(cls, packed: bytes) -> Memory:
        """The inverse of `pieces`, to be read only: it lies in those bytes and takes no others.

        Nothing is known from what was packed in another format.
        """
        if not packed.startswith(_FORMAT):
            return cls()
        _, columns, lines, blocks = _HEADER.unpack_from(packed)
        lengths = (lines, lines, blocks, blocks, blocks)
        view: Any = memoryview(packed)
        at, views = _HEADER.size, []
        for code, length in zip(_CODES, lengths, strict=True):
            end = at + length * struct.calcsize(code)
            views.append(view[at:end].cast(code))
            at = end
        return cls(columns, *views)


@dataclass(slots=True)
class Comparison:
    """A list beside the last one: `memory` is of the new list, and what stands at the positions
    `fresh` in it is not in the old one.

    `gone` are the numbers of the old list's lines that the new one doesn't have.
    """

    memory: Memory
    had_memory: bool = False
    """Whether there was anything to compare with."""
    fresh: array[int] = field(default_factory=lambda: array("I"))
    gone: set[int] = field(default_factory=set)

    @property
    def is_new(self) -> bool:
        """Whether the lists differ in more than their dates."""
        return bool(self.fresh or self.gone)

    def knows(self, number: int) -> bool:
        """Whether a line stands for this number."""
        return self.had_memory and number in self.memory.numbers


def compare(
    chunks: Iterable[bytes],
    old: Memory,
    date: bytes,
    columns: int,
    source: str,
    read: Callable[[bytes], object],
) -> Comparison:
    """Compare the rows of a list that comes in pieces with the last list.

    `date` is that of the publication, as quoted cells of rows have it; `NO_DATE` when it has none.
    What isn't in the old list is given to `read` as it came, whole lines in the order of `fresh`.
    DocumentRefused when the last row has no end. Memory: 12 bytes for each line of both lists and
    a few megabytes; where the lines are in another order, some 100 bytes for each.
    """
    walk = _Walk(old if old.columns == columns else Memory(), date, columns, read)
    rest = b""
    for window in _windows(chunks):
        content = rest + window
        rest = content[walk.take(content) :]
    if rest and not rest.endswith(b"\n"):
        raise DocumentRefused(f"{source}: the price list breaks off within a line")
    walk.end(rest)
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

    def __init__(
        self, old: Memory, date: bytes, columns: int, read: Callable[[bytes], object]
    ) -> None:
        self._old, self._cell, self._read = old, b'"%b"' % date, read
        self._starts: array[int] = array("I", accumulate(old.counts, initial=0))
        """The first line of each old block."""
        self._block = self._kept = 0
        """The old block where we are, and the first that isn't in the new memory yet."""
        self._others: dict[int, _Line] = {}
        self._other_blocks: dict[int, int] = {}
        """What has changed in the old blocks since `_kept`: lines, and the digests of blocks."""
        self._astray: list[_Line] = []
        """The lines since the lists parted."""
        self._ways_back: dict[int, int] | None = None
        """The next blocks by their first lines; None unless the lists have parted."""
        self._unordered: dict[int, int] | None = None if len(old) else {}
        """The positions of all old lines that weren't met yet, once the order is lost."""
        self.found = Comparison(Memory(columns), had_memory=len(old) > 0)

    def take(self, content: bytes) -> int:
        """Compare the lines that are whole; gives how many bytes are done with."""
        at = 0
        while self._unordered is None:
            if self._ways_back is None:
                at = self._follow(content, at)
                if self._reaches_past(at, len(content)):
                    return at
                self._part()
            at = self._seek(content, at)
            if self._ways_back is not None:
                return at
        end = max(at, content.rfind(b"\n") + 1)
        if self._unordered:
            self._match(self._lines(content[at:end]), self._unordered)
        else:
            self._add(content[at:end])
        return end

    def end(self, content: bytes) -> None:
        """The last lines, shorter than a block, and what the old list has beyond them."""
        self._keep()
        known = self._positions(len(self._old)) if self._unordered is None else self._unordered
        self._match([*self._astray, *self._lines(content)], known)
        self._lose(known.values())
        self.found.gone.discard(0)

    def _masked(self, content: bytes) -> bytes:
        """Without the dates that every publication moves."""
        return content.replace(self._cell, _NO_CELL)

    def _reaches_past(self, at: int, end: int) -> bool:
        """Whether the block where we are isn't there as a whole."""
        sizes: Sequence[int] = self._old.sizes
        return self._block < len(sizes) and at + sizes[self._block] > end

    def _follow(self, content: bytes, at: int) -> int:
        """Past the blocks that are the same, or nearly. The work of a day is done here."""
        sizes, blocks, block = self._old.sizes, self._old.blocks, self._block
        while block < len(sizes) and (end := at + sizes[block]) <= len(content):
            masked = self._masked(content[at:end])
            if digest_of(masked) != blocks[block]:
                self._block = block
                if not self._patch(content[at:end], masked):
                    return at
            at, block = end, block + 1
        self._block = block
        return at

    def _patch(self, content: bytes, masked: bytes) -> bool:
        """Past the old block where we are, if only some of its lines are others and none longer:
        so it is with nearly every price that changes."""
        start, end = self._starts[self._block : self._block + 2]
        *lines, rest = masked.split(b"\n")
        if rest or len(lines) != end - start:
            return False
        digests = list(map(digest_of, lines))
        pairs = enumerate(zip(digests, self._old.lines[start:end], strict=True))
        others = [place for place, (new, old) in pairs if new != old]
        if 2 * len(others) > len(lines):
            return False
        for place in others:
            line = content.split(b"\n", place + 1)[place]
            self._note_other(start + place, digests[place], line + b"\n")
        self._other_blocks[self._block] = digest_of(masked)
        self._block += 1
        if len(self._others) > _HELD:
            self._keep()
        return True

    def _note_other(self, position: int, digest: int, line: bytes) -> None:
        """A line that stands in the place of an old one."""
        self._others[position] = digest, line
        self.found.fresh.append(self._new_position(position))
        self.found.gone.add(self._old.numbers[position])

    def _new_position(self, position: int) -> int:
        """Where an old line that is kept stands in the new list."""
        return len(self.found.memory) + position - self._starts[self._kept]

    def _keep(self) -> None:
        """Remember the old list's blocks up to this one as the new one's."""
        memory, start, stop = self.found.memory, self._kept, self._block
        first = len(memory.blocks)
        others = [(self._new_position(old), digest) for old, (digest, _) in self._others.items()]
        lines = slice(self._starts[start], self._starts[stop])
        memory.copy(self._old, lines, slice(start, stop))
        for position, digest in others:
            memory.lines[position], memory.numbers[position] = digest, 0
        for block, digest in self._other_blocks.items():
            memory.blocks[first + block - start] = digest
        self._read(b"".join([line for _, line in self._others.values()]))
        self._others.clear()
        self._other_blocks.clear()
        self._kept = stop

    def _part(self) -> None:
        """Note by which lines the lists may come together again."""
        end = min(self._block + _AHEAD, len(self._old.sizes))
        ahead = range(end - 1, self._block - 1, -1)  # of two that begin alike the nearer one counts
        self._ways_back = {self._old.lines[self._starts[block]]: block for block in ahead}

    def _seek(self, content: bytes, at: int) -> int:
        """Line by line, up to a place from which the lists may go on alike."""
        ways_back = self._ways_back or {}
        while end := content.find(b"\n", at) + 1:
            line = content[at:end]
            digest = digest_of(self._masked(line)[:-1])
            block = ways_back.get(digest)
            # At the very line where they parted they don't.
            if block is not None and (self._astray or block != self._block):
                self._meet(block)
                return at
            self._astray.append((digest, line))
            at = end
        if len(self._astray) > _LOST:
            self._lose_order()
        return at

    def _meet(self, block: int) -> None:
        """Settle what came since the lists parted, against what the old one has up to here."""
        self._keep()
        known = self._positions(self._starts[block])
        self._match(self._astray, known)
        self._lose(known.values())
        self._block = self._kept = block
        self._astray, self._ways_back = [], None

    def _lose_order(self) -> None:
        """From here on every line is sought among all that are left."""
        self._keep()
        self._unordered = self._positions(len(self._old))
        self._match(self._astray, self._unordered)
        self._astray, self._ways_back = [], None

    def _positions(self, end: int) -> dict[int, int]:
        """The old lines from here to there, by digest."""
        start = self._starts[self._block]
        return dict(zip(self._old.lines[start:end], range(start, end), strict=True))

    def _lose(self, positions: Iterable[int]) -> None:
        self.found.gone.update(self._old.numbers[position] for position in positions)

    def _lines(self, content: bytes) -> list[_Line]:
        digests = map(digest_of, _bare_lines(self._masked(content)))
        return [
            (digest, line + b"\n")
            for digest, line in zip(digests, _bare_lines(content), strict=True)
        ]

    def _match(self, lines: Sequence[_Line], known: dict[int, int]) -> None:
        """Remember these lines; those that are not among the known ones are fresh."""
        memory, fresh = self.found.memory, []
        for digest, content in lines:
            position = known.pop(digest, None)
            if position is None:
                self.found.fresh.append(len(memory))
                fresh.append(content)
            memory.lines.append(digest)
            memory.numbers.append(0 if position is None else self._old.numbers[position])
        contents = [content for _, content in lines]
        self._add_blocks(self._masked(b"".join(contents)), map(len, contents))
        self._read(b"".join(fresh))

    def _add(self, content: bytes) -> None:
        """Remember lines of which none can be known."""
        memory, masked = self.found.memory, self._masked(content)
        lines = _bare_lines(masked)
        self.found.fresh.extend(range(len(memory), len(memory) + len(lines)))
        memory.lines.extend(map(digest_of, lines))
        memory.numbers.frombytes(bytes(memory.numbers.itemsize * len(lines)))
        self._add_blocks(masked, (len(line) + 1 for line in lines))
        self._read(content)

    def _add_blocks(self, masked: bytes, sizes: Iterable[int]) -> None:
        """Make blocks of the lines that were remembered last, of these sizes."""
        view, start, first = memoryview(masked), 0, 0
        for count, end in enumerate(accumulate(sizes), 1):
            if end - start >= _BLOCK_BYTES or end == len(masked):
                self.found.memory.add_block(view[start:end], count - first)
                start, first = end, count


def _bare_lines(content: bytes) -> list[bytes]:
    """Not by splitlines, which ends lines at a carriage return, too."""
    return content.split(b"\n")[:-1]
