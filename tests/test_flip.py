"""What would end an episode: the amount of each price that alone brings the ratio back."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import pytest

from comparator.comparison import Comparison, Cost, Quantity, Term
from comparator.flip import flips
from comparator.interval import Interval
from comparator.ratio import Evaluation
from comparator.rules.bounds import Bounds
from comparator.rules.crossing import Crossing
from comparator.workload import examples
from pricebook.quote import Price, Series

FALLS = Crossing("pays", "bot", Bounds(low=Decimal(1)), Bounds(low=Decimal("1.05")))


def price(name: str, amount: str, at: datetime) -> Quantity:
    """A price of the book."""
    series = Series("x", name, "input", "mtok", "USD")
    known = Price(series, Decimal(amount), at, "observed", at, "x")
    return Quantity(name, "USD", Interval.exactly(Decimal(amount)), "x", "price", known)


@pytest.fixture
def evaluation(noon: datetime) -> Evaluation:
    """8 USD and a fee of 1 by oneself, 10 by API: a ratio of 0.9, exactly."""
    fee = Term("fee", (Quantity.defined("fee", "USD", 1, "made up"),))
    own = Cost("USD", (Term("machine", (price("machine", "8", noon),)), fee))
    comparison = Comparison(own, Cost("USD", (Term("api", (price("api", "10", noon),)),)))
    workload = examples()[0]
    return Evaluation(workload, noon, "", comparison)


def test_each_price_that_could_do_it_alone_is_named(evaluation: Evaluation) -> None:
    """10.5 = 1.05 x 10 needs a machine of 9.5; 9 / 1.05 an API of 8.571: the nearer one first."""
    assert flips(FALLS, evaluation) == ("api at 8.571 USD (now 10)", "machine at 9.5 USD (now 8)")


def test_the_other_way_round(evaluation: Evaluation) -> None:
    """Above 0.8, it is over at 0.76: a machine of 6.6, or an API of 11.84."""
    rises = replace(FALLS, fire=Bounds(high=Decimal("0.8")), clear=Bounds(high=Decimal("0.76")))

    assert flips(rises, evaluation) == ("api at 11.84 USD (now 10)", "machine at 6.6 USD (now 8)")


def test_nothing_where_it_is_not_past(evaluation: Evaluation) -> None:
    """Inside the band there is nothing to end."""
    within = replace(FALLS, fire=Bounds(low=Decimal("0.5")), clear=Bounds(low=Decimal("0.6")))

    assert flips(within, evaluation) == ()


def test_nothing_of_other_figures(evaluation: Evaluation) -> None:
    """A break-even volume is no ratio."""
    assert flips(replace(FALLS, measure="break-even volume"), evaluation) == ()


def test_nothing_where_the_ratio_is_unknown(evaluation: Evaluation) -> None:
    """A withdrawn price has no amount that would help."""
    assert flips(FALLS, replace(evaluation, comparison=None)) == ()
