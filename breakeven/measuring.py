"""Loads a server of the user's own: so many workers, each sending its next request when it has the
answer, until the requests or the seconds are used up. Floats are seconds."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeAlias

from breakeven.endpoint import Answer, Endpoint, Line, Refused
from breakeven.steady import Load
from comparator.usage import Request
from pricebook.errors import ConfigError

LARGEST_SAMPLE = 10_000
"""Requests of a log that lengths are drawn from."""

MOST_WORKERS = 1_024
_BLINK = 0.1
_PATIENCE = 2.0
"""Seconds that a worker gets to notice that its connection was cut."""

_SHORT = (1, 8)
"""Tokens of a rehearsal: of one output token the text may be empty."""

Lengths: TypeAlias = Sequence[tuple[int, int]]
"""Input and output tokens of the requests to draw from."""

# Short and common, so that most tokenizers have one token for each with the blank before it.
_WORDS = [
    *("the", "of", "and", "to", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by"),
    *("on", "not", "he", "his", "but", "at", "are", "this", "have", "from", "or", "had", "an"),
    *("they", "which", "one", "you", "were", "her", "all", "she", "there", "would", "their"),
    *("we", "him", "been", "has", "when", "who", "will", "more", "no", "if", "out", "so", "what"),
]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to load: `lengths` are drawn from at random; `requests` and `seconds` both bound it.

    A prompt has `tokens_before` its words, and `words_a_token`; `to_the_end` asks the model to
    write as many tokens as it may. `rehearsed` finds out all three.
    """

    endpoint: Endpoint
    lengths: Lengths
    concurrency: int
    requests: int
    seconds: int
    words_a_token: Decimal = Decimal(1)
    tokens_before: Decimal = Decimal(0)
    to_the_end: bool = True

    def __post_init__(self) -> None:
        """Refuse what can't be a load."""
        for name in ("concurrency", "requests", "seconds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name} is {getattr(self, name)}; it must be at least 1")
        if self.concurrency > MOST_WORKERS:
            raise ConfigError(f"--concurrency is {self.concurrency}; the most is {MOST_WORKERS}")

    def body(self, length: tuple[int, int]) -> bytes:
        """A request of that length; no two begin alike, so that no prefix cache helps."""
        words = max(round((length[0] - self.tokens_before) * self.words_a_token), 1)
        # Not for secrets: any words will do.
        prompt = " ".join(random.choices(_WORDS, k=words))  # noqa: S311
        return self.endpoint.request(prompt, length[1], to_the_end=self.to_the_end)


def sampled(requests: Iterable[Request]) -> Lengths:
    """Lengths of at most `LARGEST_SAMPLE` requests, drawn evenly from all (reservoir sampling)."""
    kept: list[tuple[int, int]] = []
    for seen, request in enumerate(requests):
        length = (max(request.input, 1), max(request.output, 1))
        if seen < LARGEST_SAMPLE:
            kept.append(length)
        elif (place := random.randint(0, seen)) < LARGEST_SAMPLE:  # noqa: S311 no secret either
            kept[place] = length
    return kept


def rehearsed(plan: Plan, deadline: float) -> Plan:
    """The plan as the server takes it, by a short request and one of mean length, unmeasured.

    Raises MeasurementFailed with what is wrong with the server.
    """
    line = Line(plan.endpoint)
    timer = threading.Timer(max(deadline - time.monotonic(), 0), line.cut)
    timer.daemon = True
    timer.start()
    try:
        plan, short = _first_answer(plan, line)
        mean = sum(length[0] for length in plan.lengths) // len(plan.lengths)
        long = line.ask(plan.body((mean, _SHORT[1])))
    except Refused:
        if time.monotonic() >= deadline:
            raise Refused(f"{plan.endpoint} didn't answer in {plan.seconds} s") from None
        raise
    finally:
        timer.cancel()
        line.close()
    return _calibrated(plan, short, long, mean)


def load(plan: Plan, deadline: float) -> tuple[Load, bool]:
    """What became of the load, and whether it was interrupted by Ctrl-C."""
    crew = _Crew(plan)
    begun = time.monotonic(), time.process_time()
    interrupted = False
    try:
        crew.start()
        crew.wait(deadline)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        crew.stop()
    busy = (time.process_time() - begun[1]) / (time.monotonic() - begun[0])
    return crew.load(busy), interrupted


def _first_answer(plan: Plan, line: Line) -> tuple[Plan, Answer]:
    try:
        return plan, line.ask(plan.body(_SHORT))
    except Refused as refused:
        if refused.status not in (400, 422):
            raise
    plan = replace(plan, to_the_end=False)
    return plan, line.ask(plan.body(_SHORT))


def _calibrated(plan: Plan, short: Answer, long: Answer, words: int) -> Plan:
    """Tokens of a prompt are taken to be a + b x words, by two answers' counts."""
    if short.input is None or long.input is None or not (words > 1 and long.input > short.input):
        return plan
    per_word = Decimal(long.input - short.input) / (words - 1)
    return replace(
        plan, words_a_token=1 / per_word, tokens_before=max(short.input - per_word, Decimal(0))
    )


class _Crew:
    """The workers of a load, and what they write down."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._left = plan.requests
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._lines = [Line(plan.endpoint) for _ in range(plan.concurrency)]
        self._threads = [
            threading.Thread(target=self._work, args=(number,), daemon=True)
            for number in range(plan.concurrency)
        ]
        self._answers: list[Answer] = []
        self._failures: Counter[str] = Counter()
        self._waiting: dict[int, float] = {}
        self._warm: dict[int, float] = {}
        self._ended: float | None = None

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait(self, deadline: float) -> None:
        """Until all have done their work, or the time is up."""
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < deadline:
                thread.join(_BLINK)

    def stop(self) -> None:
        """Cut what is still under way, which stays unanswered."""
        with self._lock:
            self._stopped.set()
            self._end()
        for line in self._lines:
            line.cut()
        until = time.monotonic() + _PATIENCE
        for thread in self._threads:
            if thread.ident:
                thread.join(max(until - time.monotonic(), 0))

    def load(self, busy: float) -> Load:
        """What is written down; what comes later from a worker that hangs is not."""
        with self._lock:
            return Load(
                self._plan.concurrency,
                tuple(self._warm.values()),
                tuple(self._answers),
                self._failures.copy(),
                tuple(self._waiting.values()),
                self._ended or time.monotonic(),
                busy,
            )

    def _work(self, number: int) -> None:
        line = self._lines[number]
        while body := self._next(number):
            result: Answer | str
            try:
                result = line.ask(body)
            except Refused as refused:
                result = str(refused)
            if not self._note(number, result):
                break
        line.close()

    def _next(self, number: int) -> bytes | None:
        body = self._plan.body(random.choice(self._plan.lengths))  # noqa: S311 lengths, no secret
        with self._lock:
            if self._stopped.is_set() or not self._left:
                self._end()
                return None
            self._left -= 1
            self._waiting[number] = time.monotonic()
        return body

    def _note(self, number: int, result: Answer | str) -> bool:
        """Write down what came; False when it came of being cut."""
        with self._lock:
            if self._stopped.is_set():
                return False
            del self._waiting[number]
            self._warm.setdefault(number, time.monotonic())
            if isinstance(result, Answer):
                self._answers.append(result)
            else:
                self._failures[result] += 1
            return True

    def _end(self) -> None:
        self._ended = self._ended or time.monotonic()
