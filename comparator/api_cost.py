"""What fine-tuning and inference cost by API: pure formulas."""

from __future__ import annotations

from dataclasses import dataclass, replace

from comparator.comparison import Cost, Quantity, Term
from comparator.cost import MTOK, PER_RUN, Mix
from comparator.interval import Interval


@dataclass(frozen=True, slots=True)
class Usage:
    """What a model makes of the mix, where it isn't just the mix; None: no such thing.

    `tokenizer` kappa: its tokens for one token of the mix, in and out. `verbosity` v: tokens of its
    answer for one of the mix's answer. `written` w: share of the input that is written into the
    prompt cache. `reasoning` T: tokens a request that it generates beside the answer, its own.
    """

    tokenizer: Quantity | None = None
    verbosity: Quantity | None = None
    written: Quantity | None = None
    reasoning: Quantity | None = None

    @property
    def of_input(self) -> tuple[Quantity, ...]:
        """Kappa."""
        return _given(self.tokenizer)

    @property
    def of_output(self) -> tuple[Quantity, ...]:
        """Kappa, v."""
        return _given(self.tokenizer, self.verbosity)

    def uncached(self, mix: Mix) -> tuple[Quantity, ...]:
        """The factor that the cache leaves of the input at its full price: 1 - h - w."""
        if self.written is None:
            return mix.uncached
        name = f"rest of the input beside the {self.written.name}"
        rest = (mix.cached.value + self.written.value).complement()
        cause = self.written if mix.cached.value.certain else mix.cached
        return (self.written.left(name, rest, cause.name),)


_KREQ = Quantity.defined("requests in the unit of fees", "requests", 10**3, "arithmetic")
PLAIN = Usage()
"""The mix as it is."""


def api_training(price: Quantity, tokens: Quantity, name: str = "training") -> tuple[Term, ...]:
    """USD per run: price per 10^6 tokens x tokens a run / 10^6.

    Trained tokens are epochs x data set, validated ones evaluations x validation set.
    """
    return (Term(name, (price, tokens), (MTOK,)),)


def api_time(price: Quantity, time: Quantity, name: str) -> tuple[Term, ...]:
    """USD per run: price of an hour (a month) x hours (months) a run."""
    return (Term(name, (price, time)),)


def api_fee(fee: Quantity) -> tuple[Term, ...]:
    """USD per run, as billed or as found in practice."""
    return (Term("fee", (fee,)),)


def at_least(terms: tuple[Term, ...], minimum: Quantity) -> tuple[Term, ...]:
    """The same bill, but the minimum fee where that is more: max(bill, minimum).

    Where either may be more, the greater of both is one quantity of its own.
    """
    bill, fee = Cost(PER_RUN, terms).value, minimum.value
    if bill.low >= fee.high:
        return terms
    if bill.high <= fee.low:
        return (Term("minimum fee", (minimum,)),)
    greater = Interval(max(bill.low, fee.low), max(bill.point, fee.point), max(bill.high, fee.high))
    words = " + ".join(term.name for term in terms)
    source = f"the greater of {words} and the {minimum.name}; {minimum.source}"
    return (Term("training", (replace(minimum, name="bill", value=greater, source=source),)),)


def api_input(price: Quantity, mix: Mix, usage: Usage = PLAIN) -> tuple[Term, ...]:
    """USD per 10^6 tokens of the mix: price x I/(I+O) x (1-h-w) x kappa.

    Cached tokens, read or written, are part of the input.
    """
    share = (mix.input_share, *usage.uncached(mix), *usage.of_input)
    return (Term("input", (price, *share)),)


def api_cached(price: Quantity, mix: Mix, usage: Usage = PLAIN) -> tuple[Term, ...]:
    """USD per 10^6 tokens of the mix: price of a cache read x I/(I+O) x h x kappa."""
    return (Term("cached input", (price, mix.input_share, mix.cached, *usage.of_input)),)


def api_written(price: Quantity, mix: Mix, usage: Usage) -> tuple[Term, ...]:
    """USD per 10^6 tokens of the mix: price of a cache write x I/(I+O) x w x kappa."""
    written = (*_given(usage.written), *usage.of_input)
    return (Term("cache writes", (price, mix.input_share, *written)),)


def api_output(price: Quantity, mix: Mix, usage: Usage = PLAIN) -> tuple[Term, ...]:
    """USD per 10^6 tokens of the mix: price x (O kappa v + T) / (I+O); reasoning is output."""
    answer = Term("output", (price, mix.output_share, *usage.of_output))
    answers = (answer,) if mix.output.value.point else ()
    if usage.reasoning is None:
        return answers
    return (*answers, Term("reasoning", (price, usage.reasoning), (mix.whole,)))


def api_requests(price: Quantity, mix: Mix) -> tuple[Term, ...]:
    """USD per 10^6 tokens of the mix: price of 10^3 requests x 10^6 / (I+O) / 10^3."""
    return (Term("requests", (price, MTOK), (mix.whole, _KREQ)),)


def discounted(terms: tuple[Term, ...], discount: Quantity) -> tuple[Term, ...]:
    """The same less a discount: x (1 - discount)."""
    name = f"price left by the {discount.name}"
    left = discount.left(name, discount.value.complement())
    return tuple(replace(term, times=(*term.times, left)) for term in terms)


def _given(*quantities: Quantity | None) -> tuple[Quantity, ...]:
    return tuple(quantity for quantity in quantities if quantity)
