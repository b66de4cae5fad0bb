"""Short names of series, for people."""

from __future__ import annotations

from collections.abc import Iterable

from pricebook.quote import Series

_WORDS = {
    ("service_tier", "standard"): "",
    ("os", "Linux"): "",
    ("tenancy", "shared"): "",
    ("term", "on_demand"): "on demand",
    ("term_years", "1"): "1 year",
    ("term_years", "3"): "3 years",
    ("payment", "none"): "no upfront",
    ("payment", "partial"): "partial upfront",
    ("payment", "all"): "all upfront",
    ("fine_tuned", "true"): "fine-tuned",
    ("data_sharing", "true"): "data shared",
}
"""How names of prices put qualifiers; the usual ones go without saying, others as they are."""


def label(series: Series) -> str:
    """A short name for people: `openai gpt-4o input (batch)`, what goes without saying left out."""
    return f"{series.seller} {series.product} {series.meter}{conditions(series.qualifiers)}"


def conditions(qualifiers: Iterable[tuple[str, str]]) -> str:
    """` (batch, fine-tuned)`: the qualifiers that don't go without saying, or nothing."""
    words = [_WORDS.get(pair, pair[1]) for pair in qualifiers]
    said = ", ".join(word for word in words if word)
    return f" ({said})" if said else ""
