"""Every assumption that a workload may make: its name, unit, bounds, default range and source."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from comparator.comparison import Quantity
from comparator.interval import Interval
from pricebook.config import Table

GIVEN = "your configuration"

_LEAST, _MOST = Decimal("1e-18"), Decimal("1e18")
_WIDEST = 10**9
"""A figure beyond these is a slip of the pen, and would be beyond what `spread` can draw."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """A setting that may be a number or `{ low, point, high, source }`.

    Without a `default` it must be given. `positive`: 0 is refused. `kind` as in `Quantity`: a
    definition says what the work or the machine is, and is not varied. Those of one `cause` rise
    and fall together. `whole`: only whole numbers make sense. `leaves_rest`: what a share leaves of
    the whole is counted, too, so a range must leave some of it at its point.
    """

    name: str
    unit: str
    default: Interval | None = None
    source: str = ""
    kind: str = "assumption"
    positive: bool = True
    at_least: Decimal = Decimal(0)
    at_most: Decimal | None = None
    cause: str = ""
    whole: bool = False
    leaves_rest: bool = False

    def quantity(self, value: Interval, source: str) -> Quantity:
        """With this value."""
        return Quantity(self.name, self.unit, value, source, self.kind, cause=self.cause)

    def refusal(self, value: Decimal) -> str | None:
        """Why a value is impossible, or None."""
        if not value.is_finite():
            return f"is {value}; it must be a number"
        if abs(value) > _MOST or 0 < abs(value) < _LEAST:
            return f"is {value:.3g}, which can't be meant"
        if self.whole and value % 1:
            return f"is {value}; it must be a whole number"
        if value < self.at_least or (self.positive and value == 0):
            return f"is {value}; it must be {self._bound()}"
        if self.at_most is not None and value > self.at_most:
            return f"is {value}; it can't be above {self.at_most}"
        return None

    def range_refusal(self, low: Decimal, point: Decimal, high: Decimal) -> str | None:
        """Why a range of possible values is impossible, or None."""
        if not low <= point <= high:
            return f"has low {low}, point {point}, high {high}; they must rise"
        if high and not point:
            return f"has point 0 and high {high}; give a point above 0"
        if self.leaves_rest and low < point == 1:
            return f"has low {low} and point 1; give a point below 1"
        if high > (low or point) * _WIDEST:
            return f"is from {low} to {high}, which says nothing; give a narrower range"
        return None

    def _bound(self) -> str:
        return f"at least {self.at_least}" if self.at_least or not self.positive else "above 0"


def _between(low: str, point: str, high: str) -> Interval:
    return Interval(Decimal(low), Decimal(point), Decimal(high))


_ONE = Decimal(1)
_LOAD = "how bursty and how impatient the users are"

ASSUMPTIONS = {
    "hours_per_run": Assumption("hours a run", "hours"),
    "runs_per_year": Assumption("runs a year", "runs"),
    "trained_tokens": Assumption("trained tokens a run", "tokens"),
    "trained_hours": Assumption("hours of training by API a run", "hours"),
    "validation_tokens": Assumption("validated tokens a run", "tokens"),
    "validation_price": Assumption("own price of validation", "USD for 10^6 tokens"),
    "minimum_fee": Assumption("minimum fee of a run", "USD"),
    "hosting_hours": Assumption("hours a run's model is hosted", "hours"),
    "storage_months": Assumption("months a run's model is stored", "months"),
    "input_tokens": Assumption("tokens sent to a run's model", "tokens"),
    "output_tokens": Assumption("tokens a run's model generates", "tokens"),
    "fee_per_run": Assumption("API fee a run", "USD", positive=False),
    "attempts": Assumption(
        "attempts a run takes",
        "times",
        _between("1", "1.2", "1.5"),
        "judgement: one run in five is repeated; no public count of failed runs was found",
        at_least=_ONE,
    ),
    "setup_seconds": Assumption(
        "set-up of a run",
        "seconds",
        _between("300", "900", "3600"),
        "judgement: boot, download, compile, evaluate; no public measurement was found",
        positive=False,
    ),
    "tokens_per_second": Assumption("throughput", "tokens/second"),
    "machines": Assumption(
        "machines",
        "machines",
        Interval.exactly(1),
        "one machine",
        kind="definition",
        at_least=_ONE,
        whole=True,
    ),
    "hourly": Assumption("own rate of the machine", "USD/hour"),
    "salary": Assumption("engineer's salary", "USD/year", positive=False),
    "fraction": Assumption("engineer's time", "of a year", positive=False, at_most=Decimal(10)),
    "cached_share": Assumption(
        "cached share of input",
        "of input tokens",
        Interval.exactly(0),
        "no prompt cache unless given; cached tokens are a part of the input",
        kind="definition",
        positive=False,
        at_most=_ONE,
        leaves_rest=True,
    ),
    "utilisation": Assumption(
        "utilisation",
        "of paid hours at full load",
        _between("0.15", "0.4", "0.8"),
        "practitioners say 15-30 % and 30-60 %; no measured public data set was found",
        at_most=_ONE,
        cause=_LOAD,
    ),
    "latency_derate": Assumption(
        "throughput left under a latency bound",
        "of full load",
        _between("0.45", "0.8", "1"),
        "MLPerf inference v5.1, Server and Interactive against Offline, 70B on H100 and H200",
        at_most=_ONE,
        cause=_LOAD,
    ),
    "redundancy": Assumption(
        "machines kept for each one needed",
        "machines",
        _between("1", "1.25", "2"),
        "judgement: from none to one spare for each",
        at_least=_ONE,
    ),
    "tokenizer_ratio": Assumption(
        "tokens of the open model for one of the API's",
        "tokens",
        Interval.exactly(1),
        "taken as equal; measure it on your own texts",
    ),
    "cache_write_share": Assumption(
        "cache write share of input",
        "of input tokens",
        kind="definition",
        positive=False,
        at_most=_ONE,
    ),
    "batch_discount": Assumption(
        "batch discount", "of the list price", at_most=_ONE, leaves_rest=True
    ),
    "gpus": Assumption("GPUs of the machine", "GPUs", kind="definition"),
    "input": Assumption("GPU time of an input token", "GPU-seconds/token"),
    "output": Assumption("GPU time of an output token", "GPU-seconds/token"),
    "attention": Assumption(
        "GPU time of an output token per token before it", "GPU-seconds/token^2", positive=False
    ),
    "fixed_per_month": Assumption(
        "fixed costs",
        "USD/month",
        Interval.exactly(0),
        "none counted unless given: operations, storage, gateway",
        positive=False,
    ),
    "tokens_per_month": Assumption("tokens a month", "tokens/month"),
    "packing": Assumption(
        "packing efficiency",
        "of the measured rate",
        Interval.exactly(1),
        "examples packed as in the measurement; torchtune measured 4.3 times less unpacked",
        at_most=_ONE,
    ),
    "storage_per_run": Assumption(
        "storage", "USD/run", Interval.exactly(0), "none counted unless given", positive=False
    ),
    "runs_per_block": Assumption(
        "runs in a block", "runs", Interval.exactly(1), "one", kind="definition", whole=True
    ),
    "interruptions_per_hour": Assumption(
        "spot interruptions",
        "interruptions/hour",
        _between("0.001", "0.02", "0.1"),
        "judgement: from none in a month to two or three a day; AWS publishes monthly bands only",
        positive=False,
    ),
    "checkpoint_seconds": Assumption(
        "time between checkpoints",
        "seconds",
        _between("300", "1800", "3600"),
        "judgement: every five minutes to every hour",
    ),
    "restart_seconds": Assumption(
        "restart after an interruption",
        "seconds",
        _between("60", "300", "900"),
        "judgement: another machine, boot, load the model",
    ),
    "interest": Assumption(
        "interest",
        "a year",
        Interval.exactly(0),
        "none counted unless given",
        positive=False,
        at_most=_ONE,
    ),
    "price": Assumption("price of the machine", "USD", positive=False),
    "life": Assumption(
        "years of life",
        "years",
        _between("3", "4", "6"),
        "judgement: around the 4 years of SemiAnalysis's InferenceX cost model",
        at_most=Decimal(100),
    ),
    "residual": Assumption(
        "resale value at the end of life",
        "of the price",
        Interval.exactly(0),
        "none unless given",
        positive=False,
        at_most=_ONE,
        leaves_rest=True,
    ),
    "power_kw": Assumption("mean power of the machine", "kW"),
    "electricity": Assumption("price of electricity", "USD/kWh", positive=False),
    "pue": Assumption(
        "power usage effectiveness",
        "of the machine's power",
        _between("1.1", "1.4", "1.6"),
        "Google's fleet 1.1; Uptime Institute's survey of 2024 has a mean of 1.56",
        at_least=_ONE,
    ),
    "hosting_per_month": Assumption(
        "hosting",
        "USD/month",
        Interval.exactly(0),
        "none counted unless given: rack, network, hands",
        positive=False,
    ),
    "target_load": Assumption(
        "load at the peak",
        "of full load",
        _between("0.7", "0.75", "0.85"),
        "judgement: room that queues need",
        at_most=_ONE,
        cause=_LOAD,
    ),
    "mean_to_peak": Assumption(
        "mean load over peak load",
        "of the peak",
        _between("0.25", "0.5", "0.9"),
        "judgement: day and night; your own logs say it",
        at_most=_ONE,
        cause=_LOAD,
    ),
    "verbosity": Assumption(
        "length of the open model's answers over the API's",
        "times",
        Interval.exactly(1),
        "taken as equal; measure it on your own tasks",
    ),
    "reasoning_tokens": Assumption(
        "reasoning tokens of the open model that the API doesn't have",
        "tokens a request",
        Interval.exactly(0),
        "none unless given",
        positive=False,
    ),
    "model_memory_gb": Assumption("memory that the model takes", "GB", kind="definition"),
    "gpu_memory_gb": Assumption("memory of the machine's GPUs", "GB", kind="definition"),
    "parameters": Assumption("parameters of the model", "10^9 parameters", kind="definition"),
    "bytes_per_parameter": Assumption("bytes of a parameter", "bytes", kind="definition"),
}


def assumption(table: Table, key: str) -> Quantity:
    """The quantity that `key` sets, or its default; a sentence when it is missing or impossible."""
    known = ASSUMPTIONS[key]
    if not table.has(key) and known.default is not None:
        return known.quantity(known.default, known.source)
    value, source = _interval(table, key, known)
    return known.quantity(value, source)


def optional(table: Table, key: str) -> Quantity | None:
    """The same, but None when the key is absent."""
    return assumption(table, key) if table.has(key) else None


def _interval(table: Table, key: str, known: Assumption) -> tuple[Interval, str]:
    if not isinstance(table.raw(key), dict):
        value = _checked(table, key, known, table.decimal(key))
        return Interval.exactly(value), GIVEN
    parts = table.table(key)
    point = parts.decimal("point")
    bounds = (parts.decimal("low", point), point, parts.decimal("high", point))
    low, point, high = (_checked(table, key, known, bound) for bound in bounds)
    source = parts.text("source", GIVEN) or GIVEN
    parts.close()
    refusal = known.range_refusal(low, point, high)
    if refusal:
        raise table.error(key, refusal)
    return Interval(low, point, high), source


def _checked(table: Table, key: str, known: Assumption, value: Decimal) -> Decimal:
    refusal = known.refusal(value)
    if refusal:
        raise table.error(key, refusal)
    return value
