"""The figures of a load: tokens a second while it was steady, and how long answers took.

Floats are seconds of the monotonic clock. A load is steady from the time at which every worker has
had its first answer, which warms the server up and spreads the workers out, until the first worker
has nothing more to ask, or the first request is sent that isn't answered before the end. All of the
workers are busy in between, and all that was sent in between has been answered or has failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from breakeven.endpoint import Answer
from comparator.usage import rounded
from pricebook.errors import MeasurementFailed
from pricebook.quote import digits


@dataclass(frozen=True, slots=True)
class Load:
    """What became of a load of `concurrency` workers.

    `warm`: when each worker that had one had its first answer, or failure. `unanswered`: when the
    requests were sent that were cut at the end. `ended`: when the first worker had nothing more to
    ask, or the load was stopped. `busy`: the part of a processor that the load itself took.
    """

    concurrency: int
    warm: tuple[float, ...]
    answers: tuple[Answer, ...]
    failures: Counter[str]
    unanswered: tuple[float, ...]
    ended: float
    busy: float

    @property
    def window(self) -> tuple[float, float]:
        """From and until when it was steady; MeasurementFailed when it never was."""
        if len(self.warm) == self.concurrency:
            begin, end = max(self.warm), min((self.ended, *self.unanswered))
            if begin < end:
                return begin, end
        raise MeasurementFailed(
            f"nothing was steady: {len(self.answers)} answers came to {self.concurrency} workers"
            f"{self.told_failures}; give more --requests or --seconds, or less --concurrency"
        )

    @property
    def told_failures(self) -> str:
        """The most frequent reason, if any."""
        (reason, times), *_ = [*self.failures.most_common(1), ("", 0)]
        return f", and {self.failures.total()} failed ({times} times: {reason})" if times else ""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Milliseconds, by nearest rank."""

    p50: Decimal
    p90: Decimal
    p99: Decimal

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Percentiles | None:
        """None of nothing."""
        ordered = sorted(seconds)
        if not ordered:
            return None
        ranks = (-(-len(ordered) * percent // 100) for percent in (50, 90, 99))
        return cls(*(_milliseconds(ordered[rank - 1]) for rank in ranks))

    def as_dict(self) -> dict[str, str]:
        """As texts."""
        return {name: digits(getattr(self, name)) for name in ("p50", "p90", "p99")}


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured in `seconds` of steady load, and of the `requests` that were sent in it.

    `input_tokens`, `output_tokens`: means of those requests; rates: tokens a second. All four are
    None when the server didn't count the tokens of every answer. `tpot`: time per output token
    after the first.
    """

    seconds: Decimal
    requests: int
    input_tokens: Decimal | None
    output_tokens: Decimal | None
    input_rate: Decimal | None
    output_rate: Decimal | None
    chunk_rate: Decimal
    ttft: Percentiles | None
    tpot: Percentiles | None
    latency: Percentiles | None

    @property
    def total_rate(self) -> Decimal | None:
        """Input and output tokens a second."""
        if self.input_rate is None or self.output_rate is None:
            return None
        return self.input_rate + self.output_rate

    def as_dict(self) -> dict[str, Any]:
        """Decimals as texts, to six figures."""
        return {
            "seconds": _text(self.seconds),
            "requests": self.requests,
            "input_tokens": _text(self.input_tokens),
            "output_tokens": _text(self.output_tokens),
            "total_tokens_per_second": _text(self.total_rate),
            "output_tokens_per_second": _text(self.output_rate),
            "chunks_per_second": _text(self.chunk_rate),
            "ttft_ms": self.ttft.as_dict() if self.ttft else None,
            "tpot_ms": self.tpot.as_dict() if self.tpot else None,
            "latency_ms": self.latency.as_dict() if self.latency else None,
        }


def figures_of(load: Load) -> Figures:
    """The figures of a load's steady window; MeasurementFailed when there is none.

    A request's input counts evenly from its sending to its first token, its output evenly from its
    first to its last token: of requests that reach into the window, the part inside counts.
    """
    begin, end = load.window
    seconds = Decimal(end - begin)
    sent = [answer for answer in load.answers if begin <= answer.sent < end]
    if not sent:
        raise MeasurementFailed(
            f"no request was sent and answered in {seconds:.1f} s of steady load"
            f"{load.told_failures}; give more --requests or --seconds"
        )

    def rate(tokens: Callable[[Answer], int | None], *, output: bool) -> Decimal | None:
        return _rate(load.answers, begin, end, tokens, output=output)

    return Figures(
        seconds,
        len(sent),
        _mean([answer.input for answer in sent]),
        _mean([answer.output for answer in sent]),
        rate(lambda answer: answer.input, output=False),
        rate(lambda answer: answer.output, output=True),
        rate(lambda answer: answer.chunks, output=True) or Decimal(0),
        Percentiles.of(answer.first - answer.sent for answer in sent),
        Percentiles.of(
            (answer.last - answer.first) / (answer.output - 1)
            for answer in sent
            if answer.output is not None and answer.output > 1
        ),
        Percentiles.of(answer.last - answer.sent for answer in sent),
    )


def _rate(
    answers: Sequence[Answer],
    begin: float,
    end: float,
    tokens: Callable[[Answer], int | None],
    *,
    output: bool,
) -> Decimal | None:
    """Tokens a second of the answers' parts between `begin` and `end`; None if one is uncounted."""
    sum_of_parts = Decimal(0)
    for answer in answers:
        spread = (answer.first, answer.last) if output else (answer.sent, answer.first)
        part = _part_inside(*spread, begin, end)
        counted = tokens(answer)
        if part and counted is None:
            return None
        sum_of_parts += part * (counted or 0)
    return sum_of_parts / Decimal(end - begin)


def _part_inside(start: float, stop: float, begin: float, end: float) -> Decimal:
    """The share of a span that lies inside another; a moment is in it or not."""
    if start == stop:
        return Decimal(begin <= start < end)
    inside = min(stop, end) - max(start, begin)
    return Decimal(inside) / Decimal(stop - start) if inside > 0 else Decimal(0)


def _mean(tokens: Sequence[int | None]) -> Decimal | None:
    counted = [each for each in tokens if each is not None]
    return Decimal(sum(counted)) / len(counted) if len(counted) == len(tokens) else None


def _milliseconds(seconds: float) -> Decimal:
    return Decimal(round(seconds * 10**6)) / 1000


def _text(value: Decimal | None) -> str | None:
    return None if value is None else digits(rounded(value, 6))
