"""What fine-tuning and inference cost on machines of one's own: pure formulas, and the mix."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from comparator.comparison import Quantity, Term
from comparator.interval import Interval

VERSION = 2
"""Raised whenever a formula changes, so that a ratio that moved by it is not called news."""

PER_RUN = "USD per run"
PER_MTOK = "USD per 10^6 tokens"

HOURS_A_YEAR = Quantity.defined("hours a year", "hours", 8760, "365 days; AWS's own term")
HOURS_A_MONTH = Quantity.defined("hours a month", "hours", 730, "8,760 / 12")
SECONDS_AN_HOUR = Quantity.defined("seconds an hour", "seconds", 3600, "arithmetic")
MTOK = Quantity.defined("tokens in the unit of prices", "tokens", 10**6, "arithmetic")
HALF = Quantity.defined("half, on average", "of the whole", Decimal("0.5"), "arithmetic")
SHORTEST_RUN = Quantity.defined(
    "shortest time that is billed",
    "seconds",
    60,
    "EC2 bills Linux by the second from 60 s on",
)
SHORTEST_HOURS = SHORTEST_RUN.value.point / SECONDS_AN_HOUR.value.point
ALIKE = Quantity.defined("tokens of the open model for one of the API's", "tokens", 1, "as equal")
_AT_FULL_LOAD = Quantity.defined("utilisation", "of paid hours at full load", 1, "full load")
_NO_SPARES = Quantity.defined("machines kept for each one needed", "machines", 1, "none to spare")
AS_MEASURED = Quantity.defined("packing efficiency", "of the rate", 1, "as in the measurement")


@dataclass(frozen=True, slots=True)
class Mix:
    """The request that inference is compared on: `input` and `output` tokens, `cached` share."""

    input: Quantity
    output: Quantity
    cached: Quantity

    @property
    def input_share(self) -> Quantity:
        """I / (I + O)."""
        return self._share("input share", self.input)

    @property
    def output_share(self) -> Quantity:
        """O / (I + O)."""
        return self._share("output share", self.output)

    @property
    def whole(self) -> Quantity:
        """I + O."""
        tokens = self.input.value.point + self.output.value.point
        return Quantity.defined("tokens a request", "tokens", tokens, "input and output")

    def _share(self, name: str, part: Quantity) -> Quantity:
        share = part.value.point / self.whole.value.point
        return Quantity.defined(name, "of all tokens", share, part.source)

    @property
    def uncached(self) -> tuple[Quantity, ...]:
        """The factor that the cache leaves of the input, 1 - h; none without a cache."""
        if not self.cached.value.high:
            return ()
        name, rest = f"not {self.cached.name}", self.cached.value.complement()
        return (self.cached.left(name, rest),)


@dataclass(frozen=True, slots=True)
class Speed:
    """Fine-tuning by measured throughput: `tokens` a run, at `rate` tokens a second on all
    machines of the run together, after `setup` seconds in which nothing is trained.

    `packing`: what of that rate is left by how examples are packed. `tokenizer_ratio`: tokens of
    the open model for one of the API's, in which `tokens` are counted.
    """

    setup: Quantity
    tokens: Quantity
    rate: Quantity
    packing: Quantity = AS_MEASURED
    tokenizer_ratio: Quantity = ALIKE

    @property
    def hours(self) -> Interval:
        """Hours of one attempt: (setup + tokens kappa / (rate packing)) / 3600."""
        tokens = self.tokens.value * self.tokenizer_ratio.value
        training = tokens / (self.rate.value * self.packing.value)
        return (self.setup.value + training) / SECONDS_AN_HOUR.value

    def tokens_in(self, hours: Decimal) -> Decimal:
        """How many tokens one attempt trains in so many hours, everything at its point."""
        seconds = hours * SECONDS_AN_HOUR.value.point - self.setup.value.point
        rate = self.rate.value.point * self.packing.value.point
        return seconds * rate / self.tokenizer_ratio.value.point


@dataclass(frozen=True, slots=True)
class Service:
    """GPU-seconds per input token (a), per output token (b), per output token and token before it
    (c), on a machine of `gpus`; fitted to measured throughput at full load.
    """

    gpus: Quantity
    input: Quantity
    output: Quantity
    attention: Quantity


@dataclass(frozen=True, slots=True)
class Fleet:
    """What turns a machine's measured peak into the work that it does in a real month.

    `utilisation` eta: useful share of the paid hours. `derate` d: throughput left when latency is
    bounded. `redundancy` k: machines kept for each one needed. `tokenizer_ratio` kappa: tokens of
    the open model for one of the API's in the same text. Where whole machines are bought,
    `utilisation` is mean over peak load, `peak` the load at the peak, and `rounding` the machines
    that are bought over those that are needed.
    """

    utilisation: Quantity
    derate: Quantity
    redundancy: Quantity
    tokenizer_ratio: Quantity
    peak: Quantity | None = None
    rounding: Quantity | None = None

    @property
    def times(self) -> tuple[Quantity, ...]:
        """K, what rounding up adds, and kappa."""
        rounding = (self.rounding,) if self.rounding else ()
        return (self.redundancy, *rounding, self.tokenizer_ratio)

    @property
    def per(self) -> tuple[Quantity, ...]:
        """Eta d, with the load at the peak a part of eta."""
        peak = (self.peak,) if self.peak else ()
        return (self.utilisation, *peak, self.derate)

    @property
    def full(self) -> Fleet:
        """Machines at full load, none of them a spare; a bound on latency remains."""
        return Fleet(_AT_FULL_LOAD, self.derate, _NO_SPARES, self.tokenizer_ratio)


def rented_run(
    hourly: Quantity, hours: Quantity, machines: Quantity, attempts: Quantity
) -> tuple[Term, ...]:
    """USD per run on demand: machines x hourly x hours x attempts (EC2 bills what runs)."""
    return (Term("machines", (hourly, hours, machines, attempts)),)


def trained_run(
    hourly: Quantity, machines: Quantity, speed: Speed, attempts: Quantity
) -> tuple[Term, ...]:
    """USD per run on demand from measured training speed: hourly x machines x attempts x hours.

    The hours are those of `Speed.hours`, a term for the set-up and one for the training.
    """
    rented = (hourly, machines, attempts)
    tokens, rate = (speed.tokens, speed.tokenizer_ratio), (speed.rate, speed.packing)
    return (
        Term("set-up", (*rented, speed.setup), (SECONDS_AN_HOUR,)),
        Term("training", (*rented, *tokens), (*rate, SECONDS_AN_HOUR)),
    )


def billed_run(hourly: Quantity, machines: Quantity, hours: Interval) -> tuple[Term, ...]:
    """USD per run that may take less than EC2's shortest time: hourly x machines x max(60 s, run).

    `hours` of the run, repeats included.
    """
    least = SHORTEST_RUN.value / SECONDS_AN_HOUR.value
    bounds = zip(
        (hours.low, hours.point, hours.high), (least.low, least.point, least.high), strict=True
    )
    value = Interval(*(max(pair) for pair in bounds))
    kind = "definition" if value.certain else "assumption"
    billed = Quantity("billed time of a run", "hours", value, SHORTEST_RUN.source, kind)
    return (Term("machines", (hourly, machines, billed)),)


def reserved_run(
    hourly: Quantity, machines: Quantity, runs: Quantity, hours: Quantity = HOURS_A_YEAR
) -> tuple[Term, ...]:
    """USD per run where every hour is paid, used or not: hourly x hours x machines / runs.

    A year's `hours` and runs, or a Capacity Block's. The article's own sum ("openai is too cheap
    to beat", October 2023): 19.22 $/h, 8,760 hours, 4,380 runs.
    """
    return (Term("machines", (hourly, hours, machines), (runs,)),)


def engineer_per_run(salary: Quantity, fraction: Quantity, runs: Quantity) -> tuple[Term, ...]:
    """USD per run of the people: salary a year x fraction of their time / runs a year."""
    return (Term("engineer", (salary, fraction), (runs,)),)


def kept(usd: Quantity) -> tuple[Term, ...]:
    """USD per run of what isn't the machine's: data and checkpoints in storage."""
    return (Term("storage", (usd,)),) if usd.value.high else ()


def answered(
    output: Quantity, verbosity: Quantity, reasoning: Quantity, tokenizer_ratio: Quantity
) -> Quantity:
    """The open model's answer to what the API's answers with `output`: O' = O v + T / kappa.

    In tokens of the API's model, as all lengths are; `reasoning` T is in those of the open model.
    """
    thought = reasoning.value / Interval.exactly(tokenizer_ratio.value.point)
    value = output.value * verbosity.value + thought
    if value == output.value:
        return output
    times, tokens = verbosity.value.point, output.value.point
    sources = ", ".join(dict.fromkeys((verbosity.source, reasoning.source)))
    source = f"{tokens:f} x {times:f} + {thought.point:.6g} of reasoning; {sources}"
    kind = "definition" if value.certain else "assumption"
    return Quantity("output tokens of the open model", "tokens", value, source, kind)


def served(
    hourly: Quantity, fleet: Fleet, speed: Quantity, mix: Mix, answer: Quantity
) -> tuple[Term, ...]:
    """USD per 10^6 tokens at a constant speed, in tokens (in and out) a second of one machine.

    hourly k kappa (I (1-h) + O') / (3600 speed eta d (I + O)) x 10^6, O' the open model's answer.
    InferenceMAX's $/M has eta = d = k = 1. Input that is found in the cache takes no time.
    """
    times, per = (hourly, *fleet.times, MTOK), (speed, SECONDS_AN_HOUR, *fleet.per)
    return (
        Term("prompt", (*times, mix.input_share, *mix.uncached), per),
        Term("generation", (*times, answer), (*per, mix.whole)),
    )


def served_by_length(
    hourly: Quantity, fleet: Fleet, service: Service, mix: Mix, answer: Quantity
) -> tuple[Term, ...]:
    """USD per 10^6 tokens from GPU-seconds that depend on the lengths of a request.

    s = a (1-h) I + b O' + c O' (I + O'/2) GPU-seconds a request, O' the open model's answer, at
    hourly k kappa / (3600 gpus eta d) USD a GPU-second, for I + O tokens of the API's model. The
    law was fitted to NVIDIA's maximum-load tables.
    """
    times, per = (hourly, *fleet.times, MTOK), (service.gpus, SECONDS_AN_HOUR, *fleet.per)
    generated, request = (*times, service.attention, answer), (*per, mix.whole)
    return (
        Term("prompt", (*times, service.input, mix.input_share, *mix.uncached), per),
        Term("generation", (*times, service.output, answer), request),
        Term("attention to the prompt", (*generated, mix.input), request),
        Term("attention to the answer", (*generated, answer, HALF), request),
    )


def whole_machines(hours_per_mtok: Decimal, tokens: Decimal, redundancy: Decimal) -> Decimal:
    """Machines for so many tokens a month: needed, rounded up, then spares, rounded up.

    `hours_per_mtok`: machine-hours per 10^6 tokens at the target load, spares apart.
    """
    needed = _machines(hours_per_mtok, tokens).to_integral_value(ROUND_CEILING)
    return (needed * redundancy).to_integral_value(ROUND_CEILING)


def rounding_up(hours_per_mtok: Decimal, tokens: Interval, redundancy: Decimal) -> Interval:
    """Whole machines for the most `tokens` a month, over those that the tokens take by parts."""
    count = whole_machines(hours_per_mtok, tokens.high, redundancy)
    months = (tokens.high, tokens.point, tokens.low)
    return Interval(*(count / (_machines(hours_per_mtok, each) * redundancy) for each in months))


def fixed_per_mtok(monthly: Quantity, tokens: Quantity) -> tuple[Term, ...]:
    """USD per 10^6 tokens of what is paid whatever the load: monthly / tokens a month x 10^6."""
    return (Term("fixed", (monthly, MTOK), (tokens,)),)


def whole_fleet(hourly: Quantity, machines: Quantity, tokens: Quantity) -> tuple[Term, ...]:
    """USD per 10^6 tokens of machines that always run: machines hourly 730 / tokens a month x 10^6.

    Its break-even in tokens a month, as a share of what the machines can do, is the ratio at
    utilisation 1 without fixed costs.
    """
    return (Term("machines", (hourly, machines, HOURS_A_MONTH, MTOK), (tokens,)),)


def _machines(hours_per_mtok: Decimal, tokens: Decimal) -> Decimal:
    return hours_per_mtok * tokens / MTOK.value.point / HOURS_A_MONTH.value.point
