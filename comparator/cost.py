"""What fine-tuning and inference cost on machines of one's own: pure formulas, and the mix."""

from __future__ import annotations

from dataclasses import dataclass, replace

from comparator.comparison import Quantity, Term
from comparator.interval import Interval

VERSION = 1
"""Raised whenever a formula changes, so that a ratio that moved by it is not called news."""

PER_RUN = "USD per run"
PER_MTOK = "USD per 10^6 tokens"

HOURS_A_YEAR = Quantity.defined("hours a year", "hours", 8760, "365 days; AWS's own term")
HOURS_A_MONTH = Quantity.defined("hours a month", "hours", 730, "8,760 / 12")
SECONDS_AN_HOUR = Quantity.defined("seconds an hour", "seconds", 3600, "arithmetic")
MTOK = Quantity.defined("tokens in the unit of prices", "tokens", 10**6, "arithmetic")


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
    def mean_answer(self) -> Quantity:
        """O / 2: what of the answer stands, on average, before a token of it."""
        half = self.output.value.point / 2
        return Quantity.defined("half of the output tokens", "tokens", half, self.output.source)

    def _share(self, name: str, part: Quantity) -> Quantity:
        whole = self.input.value.point + self.output.value.point
        return Quantity.defined(name, "of all tokens", part.value.point / whole, part.source)

    @property
    def uncached(self) -> tuple[Quantity, ...]:
        """The factor that the cache leaves of the input, 1 - h; none without a cache."""
        if not self.cached.value.high:
            return ()
        name, rest = f"not {self.cached.name}", self.cached.value.complement()
        return (replace(self.cached, name=name, value=rest),)


@dataclass(frozen=True, slots=True)
class Speed:
    """Fine-tuning by measured throughput: `tokens` a run, at `rate` tokens a second on all
    machines of the run together, after `setup` seconds in which nothing is trained.
    """

    setup: Quantity
    tokens: Quantity
    rate: Quantity

    @property
    def hours(self) -> Interval:
        """Hours of one attempt."""
        return training_hours(self.setup.value, self.tokens.value, self.rate.value)


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
    bounded. `redundancy` k: machines kept for each one needed. `token_ratio` kappa v: tokens of
    the open model for one token of the API's model on the same task.
    """

    utilisation: Quantity
    derate: Quantity
    redundancy: Quantity
    token_ratio: Quantity

    @property
    def times(self) -> tuple[Quantity, ...]:
        """K, and kappa v."""
        return (self.redundancy, self.token_ratio)

    @property
    def per(self) -> tuple[Quantity, ...]:
        """Eta d."""
        return (self.utilisation, self.derate)


def rented_run(
    hourly: Quantity, hours: Quantity, machines: Quantity, attempts: Quantity
) -> tuple[Term, ...]:
    """USD per run on demand: machines x hourly x hours x attempts (EC2 bills what runs)."""
    return (Term("machines", (hourly, hours, machines, attempts)),)


def training_hours(setup: Interval, tokens: Interval, speed: Interval) -> Interval:
    """Hours of one attempt: (setup + tokens / speed) / 3600, in seconds and tokens a second."""
    return (setup + tokens / speed) / SECONDS_AN_HOUR.value


def trained_run(
    hourly: Quantity, machines: Quantity, speed: Speed, attempts: Quantity
) -> tuple[Term, ...]:
    """USD per run on demand from measured training speed: hourly x machines x attempts x hours.

    The hours are those of `training_hours`, a term for the set-up and one for the training. EC2
    bills Linux machines by the second, from 60 s on.
    """
    rented = (hourly, machines, attempts)
    return (
        Term("set-up", (*rented, speed.setup), (SECONDS_AN_HOUR,)),
        Term("training", (*rented, speed.tokens), (speed.rate, SECONDS_AN_HOUR)),
    )


def reserved_run(hourly: Quantity, machines: Quantity, runs: Quantity) -> tuple[Term, ...]:
    """USD per run on a reservation, which is paid for every hour: hourly x 8760 x machines / runs.

    The article's own sum ("openai is too cheap to beat", October 2023): 19.22 $/h, 4,380 runs.
    """
    return (Term("machines", (hourly, HOURS_A_YEAR, machines), (runs,)),)


def amortised(
    terms: tuple[Term, ...], hourly: Quantity, upfront: Quantity, years: Quantity
) -> tuple[Term, ...]:
    """The upfront fee's part: the same terms with upfront / (8760 x years) for the hourly price.

    Together with them the effective hourly rate of a reservation, without interest.
    """
    return tuple(
        Term(
            f"{term.name}, upfront",
            (upfront, *(factor for factor in term.times if factor != hourly)),
            (*term.per, HOURS_A_YEAR, years),
        )
        for term in terms
    )


def engineer_per_run(salary: Quantity, fraction: Quantity, runs: Quantity) -> tuple[Term, ...]:
    """USD per run of the people: salary a year x fraction of their time / runs a year."""
    return (Term("engineer", (salary, fraction), (runs,)),)


def served(hourly: Quantity, fleet: Fleet, speed: Quantity) -> tuple[Term, ...]:
    """USD per 10^6 tokens at a constant speed, in tokens (in and out) a second of one machine.

    hourly k kappa v / (3600 speed eta d) x 10^6 (InferenceMAX's $/M, which has eta = d = k = 1).
    """
    return (Term("machines", (hourly, *fleet.times, MTOK), (speed, SECONDS_AN_HOUR, *fleet.per)),)


def served_by_length(
    hourly: Quantity, fleet: Fleet, service: Service, mix: Mix
) -> tuple[Term, ...]:
    """USD per 10^6 tokens from GPU-seconds that depend on the lengths of a request.

    s = a (1-h) I + b O + c O (I + O/2) GPU-seconds a request, at hourly k kappa v / (3600 gpus
    eta d) USD a GPU-second, for I + O tokens. The law was fitted to NVIDIA's maximum-load tables.
    """
    times, per = (hourly, *fleet.times, MTOK), (service.gpus, SECONDS_AN_HOUR, *fleet.per)
    attention = (*times, service.attention, mix.output_share)
    return (
        Term("prompt", (*times, service.input, mix.input_share, *mix.uncached), per),
        Term("generation", (*times, service.output, mix.output_share), per),
        Term("attention to the prompt", (*attention, mix.input), per),
        Term("attention to the answer", (*attention, mix.mean_answer), per),
    )


def fixed_per_mtok(monthly: Quantity, tokens: Quantity) -> tuple[Term, ...]:
    """USD per 10^6 tokens of what is paid whatever the load: monthly / tokens a month x 10^6."""
    return (Term("fixed", (monthly, MTOK), (tokens,)),)


def whole_fleet(hourly: Quantity, machines: Quantity, tokens: Quantity) -> tuple[Term, ...]:
    """USD per 10^6 tokens of machines that always run: machines hourly 730 / tokens a month x 10^6.

    Its break-even in tokens a month, as a share of what the machines can do, is the ratio at
    utilisation 1 without fixed costs.
    """
    return (Term("machines", (hourly, machines, HOURS_A_MONTH, MTOK), (tokens,)),)
