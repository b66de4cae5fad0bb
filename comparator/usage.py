"""What a log of requests says of the work: their lengths, the cached share, the load through time,
and so the part of paid hours in which a fleet that is sized for the peak is busy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from itertools import accumulate
from typing import Any

from comparator.interval import Interval
from pricebook.errors import ConfigError
from pricebook.quote import digits

HOUR = timedelta(hours=1)
MONTH = timedelta(hours=730)
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

PEAK_LOAD = Interval(Decimal("0.7"), Decimal("0.75"), Decimal("0.85"))
"""Rho, the load that a fleet is sized for at its peak: what a workload's `target_load` is, too."""

MOST_SLOTS = 200_000
"""Parts of windows that are kept apart, so that memory is bounded: a year and nine months of 5
minutes each."""

_SLOTS_A_WINDOW = 12
_LEAST_WINDOWS = 24
_LEAST_SPAN = timedelta(days=1)
_WEEK = timedelta(days=7)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BOUNDS = ("low", "point", "high")
_TIMED_AT_LEAST = Decimal("0.95")


@dataclass(frozen=True, slots=True)
class Request:
    """One request: tokens in and out; `cached` is a part of `input`, None where it isn't told."""

    input: int
    output: int
    cached: int | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens a request: the mean is exact, percentiles to within 0.1 %."""

    mean: Decimal
    p50: int
    p90: int
    p99: int

    def as_dict(self) -> dict[str, Any]:
        """The mean as a text."""
        percentiles = {"p50": self.p50, "p90": self.p90, "p99": self.p99}
        return {"mean": digits(rounded(self.mean, 6)), **percentiles}


@dataclass(frozen=True, slots=True)
class Load:
    """Requests and tokens (in and out) of an hour: the mean of such hours, and the fullest one."""

    requests: Decimal
    peak_requests: int
    tokens: Decimal
    peak_tokens: int

    def as_dict(self) -> dict[str, Any]:
        """The means as texts."""
        return {
            "requests": digits(rounded(self.requests, 6)),
            "peak_requests": self.peak_requests,
            "tokens": digits(rounded(self.tokens, 6)),
            "peak_tokens": self.peak_tokens,
        }


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When the requests came, between `since` and `until`, the first and the last of them.

    `mean` and `peak` are tokens a second, over all the time and in the fullest window. `factor` is
    LF, mean / peak: point by the fullest window, low by the fullest twelfth of a window (if bursts
    must be met, too), high by the window that one in a hundred exceeds (if those may wait).
    `by_hour` has the hours of the day, `by_weekday` the days from Monday, 0, on, both in UTC.
    """

    since: datetime
    until: datetime
    window: timedelta
    mean: Decimal
    peak: Decimal
    factor: Interval
    by_hour: Mapping[int, Load]
    by_weekday: Mapping[int, Load]

    @property
    def tokens_per_month(self) -> Decimal:
        """At the mean load, in 730 hours."""
        return self.mean * _seconds(MONTH)

    def whole_machines(self, speed: Decimal) -> Decimal:
        """Q: machines needed at the peak / machines bought, at `speed` tokens a second of each."""
        needed = self.peak / (PEAK_LOAD.point * speed)
        return needed / math.ceil(needed)

    def utilisation(self, speed: Decimal | None = None) -> Interval:
        """Eta = LF Q rho; without the speed of a machine Q is 1: no step to whole machines."""
        whole = Interval.exactly(self.whole_machines(speed) if speed else 1)
        return self.factor * whole * PEAK_LOAD


@dataclass(frozen=True, slots=True)
class Usage:
    """What a log says; `cached_share` and `arrivals` are None where it doesn't, `unknown` says why.

    `notes`: what limits the answer that there is.
    """

    requests: int
    input: Lengths
    output: Lengths
    cached_share: Decimal | None
    arrivals: Arrivals | None
    unknown: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def as_toml(self, speed: Decimal | None = None) -> str:
        """Keys of a `[[workload]]`: its tokens, and what of `self_host` the log knows."""
        lines = [
            "[workload.tokens]",
            f"input = {digits(rounded(self.input.mean, 5))}",
            f"output = {digits(rounded(self.output.mean, 5))}",
        ]
        if self.cached_share is not None:
            lines.append(f"cached_share = {digits(rounded(self.cached_share))}")
        if self.arrivals:
            lines += ["", "[workload.self_host]", *self._load(self.arrivals, speed)]
        return "\n".join(lines) + "\n"

    def _load(self, arrivals: Arrivals, speed: Decimal | None) -> list[str]:
        bounds = arrivals.utilisation(speed)
        days = f"{arrivals.since:%Y-%m-%d} to {arrivals.until:%Y-%m-%d}"
        source = f"your log of {self.requests} requests, {days}"
        values = (f"{name} = {digits(rounded(getattr(bounds, name)))}" for name in _BOUNDS)
        return [
            f'utilisation = {{ {", ".join(values)}, source = "{source}" }}',
            f"tokens_per_month = {digits(rounded(arrivals.tokens_per_month, 4))}",
        ]


def usage_of(requests: Iterable[Request], window: timedelta = HOUR) -> Usage:
    """What requests in any order say, read once and in bounded memory.

    Raises ConfigError when there are none, or when the windows are too many to be kept.
    """
    tally = _Tally(window)
    for request in requests:
        tally.add(request)
    return tally.usage()


def rounded(value: Decimal, figures: int = 3) -> Decimal:
    """To so many significant figures."""
    return Context(prec=figures).create_decimal(value)


class _Histogram:
    """Counts by length, exact below 2,048 and above it by the first 11 bits."""

    def __init__(self) -> None:
        self.total = 0
        self._counts: Counter[int] = Counter()

    def add(self, tokens: int) -> None:
        self.total += tokens
        blurred = max(tokens.bit_length() - 11, 0)
        self._counts[tokens >> blurred << blurred] += 1

    def lengths(self, requests: int) -> Lengths:
        ordered = sorted(self._counts.items())
        percentiles = (_percentile(ordered, -(-requests * p // 100)) for p in (50, 90, 99))
        return Lengths(Decimal(self.total) / requests, *percentiles)


class _Tally:
    """The sums of a log, while it is read."""

    def __init__(self, window: timedelta) -> None:
        self.requests = self.timed = 0
        self.input, self.output = _Histogram(), _Histogram()
        self.cache_known = self.cached = self.cacheable = 0
        self.clock = _Clock(window)

    def add(self, request: Request) -> None:
        self.requests += 1
        self.input.add(request.input)
        self.output.add(request.output)
        if request.cached is not None:
            self.cache_known += 1
            self.cached += request.cached
            self.cacheable += request.input
        if request.at:
            self.timed += 1
            self.clock.add(request.at, request.input + request.output)

    def usage(self) -> Usage:
        if not self.input.total + self.output.total:
            raise ConfigError("the log has no request with tokens in it")
        share, reasons, notes = self._cached()
        refusal = self._untimed() or self.clock.refusal()
        arrivals = None if refusal else self.clock.arrivals()
        if refusal:
            reasons.append(f"load through time: {refusal}")
        elif self.clock.span < _WEEK:
            notes.append("the log covers less than a week: no weekend, or no working day, is in it")
        return Usage(
            self.requests,
            self.input.lengths(self.requests),
            self.output.lengths(self.requests),
            share,
            arrivals,
            tuple(reasons),
            tuple(notes),
        )

    def _cached(self) -> tuple[Decimal | None, list[str], list[str]]:
        if not self.cacheable:
            return None, ["cached share: no request tells its cached tokens"], []
        told = f"{self.cache_known} of {self.requests} requests tell their cached tokens"
        share = Decimal(self.cached) / self.cacheable
        return share, [], [told] if self.cache_known < self.requests else []

    def _untimed(self) -> str:
        if self.timed >= self.requests * _TIMED_AT_LEAST:
            return ""
        missing = self.requests - self.timed
        return f"{missing} of {self.requests} requests have no time"


class _Clock:
    """Tokens by hour, and by twelfths of windows; both are counted from 1970, a Thursday."""

    def __init__(self, window: timedelta) -> None:
        self.window = window
        self._first = datetime.max.replace(tzinfo=UTC)
        self._last = datetime.min.replace(tzinfo=UTC)
        self._slots: Counter[int] = Counter()
        self._hours: dict[int, tuple[int, int]] = {}

    @property
    def span(self) -> timedelta:
        return self._last - self._first

    def add(self, at: datetime, tokens: int) -> None:
        self._first, self._last = min(self._first, at), max(self._last, at)
        elapsed = at - _EPOCH
        self._slots[elapsed * _SLOTS_A_WINDOW // self.window] += tokens
        hour = elapsed // HOUR
        requests, before = self._hours.get(hour, (0, 0))
        self._hours[hour] = (requests + 1, before + tokens)
        if len(self._slots) > MOST_SLOTS:
            raise ConfigError(
                f"the log is too long for a window of {self.window}; give a longer one"
            )

    def refusal(self) -> str:
        """Why the load can't be told, or nothing."""
        needed = max(_LEAST_SPAN, _LEAST_WINDOWS * self.window)
        if not self._slots.total() or self.span < needed:
            return f"the requests with a time must cover {_hours(needed)} hours at least"
        return ""

    def arrivals(self) -> Arrivals:
        second = _seconds(self.window)
        mean = self._slots.total() / _seconds(self.span)
        peak, usual = self._peaks()
        burst = max(self._slots.values()) * _SLOTS_A_WINDOW
        factor = Interval(*(_load_factor(mean * second, each) for each in (burst, peak, usual)))
        curves = (self._curve(lambda hour: hour % 24), self._curve(_weekday))
        return Arrivals(self._first, self._last, self.window, mean, peak / second, factor, *curves)

    def _peaks(self) -> tuple[int, int]:
        """Tokens of the fullest window, and of the one that one window in a hundred exceeds."""
        windows: Counter[int] = Counter()
        for slot, tokens in self._slots.items():
            windows[slot // _SLOTS_A_WINDOW] += tokens
        every = max(windows) - min(windows) + 1
        fuller = every // 100
        loads = sorted(windows.values(), reverse=True)
        return loads[0], loads[fuller] if fuller < len(loads) else 0

    def _curve(self, place: Callable[[int], int]) -> dict[int, Load]:
        hours = Counter(map(place, range(min(self._hours), max(self._hours) + 1)))
        loads: dict[int, list[tuple[int, int]]] = {each: [] for each in sorted(hours)}
        for hour, load in self._hours.items():
            loads[place(hour)].append(load)
        return {each: _load(loads[each], hours[each]) for each in loads}


def _load(hours: Sequence[tuple[int, int]], of: int) -> Load:
    """The load of the hours that had any, `of` all hours of their kind."""
    requests, tokens = [each[0] for each in hours], [each[1] for each in hours]
    return Load(
        Decimal(sum(requests)) / of,
        max(requests, default=0),
        Decimal(sum(tokens)) / of,
        max(tokens, default=0),
    )


def _load_factor(mean: Decimal, peak: int) -> Decimal:
    return min(mean / peak, Decimal(1)) if peak else Decimal(1)


def _weekday(hour: int) -> int:
    return (hour // 24 + 3) % 7


def _percentile(ordered: Sequence[tuple[int, int]], rank: int) -> int:
    """The value of that rank among values, each with how often it stands there, in order."""
    ranks = accumulate(count for _, count in ordered)
    return next(value for (value, _), last in zip(ordered, ranks, strict=True) if last >= rank)


def _seconds(span: timedelta) -> Decimal:
    return Decimal(span // timedelta(microseconds=1)) / 10**6


def _hours(span: timedelta) -> str:
    return digits(rounded(_seconds(span) / 3600, 4))
