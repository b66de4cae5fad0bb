"""What fine-tuning and inference cost by API: pure formulas."""

from __future__ import annotations

from comparator.comparison import Quantity, Term
from comparator.cost import MTOK, Mix


def api_training(price: Quantity, tokens: Quantity) -> tuple[Term, ...]:
    """USD per run: price per 10^6 trained tokens (epochs x dataset) x tokens / 10^6."""
    return (Term("training", (price, tokens), (MTOK,)),)


def api_fee(fee: Quantity) -> tuple[Term, ...]:
    """USD per run, as billed or as found in practice."""
    return (Term("fee", (fee,)),)


def api_input(price: Quantity, mix: Mix) -> tuple[Term, ...]:
    """USD per 10^6 tokens of the mix: price x I/(I+O) x (1-h); cached tokens are part of input."""
    return (Term("input", (price, mix.input_share, *mix.uncached)),)


def api_cached(price: Quantity, mix: Mix) -> tuple[Term, ...]:
    """USD per 10^6 tokens of the mix: price of a cache read x I/(I+O) x h."""
    return (Term("cached input", (price, mix.input_share, mix.cached)),)


def api_output(price: Quantity, mix: Mix) -> tuple[Term, ...]:
    """USD per 10^6 tokens of the mix: price x O/(I+O)."""
    return (Term("output", (price, mix.output_share)),)
