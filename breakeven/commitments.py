"""What committing to an EC2 machine is worth: the rows of `breakeven commitments`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from breakeven.app import App
from breakeven.discounts import discounted
from breakeven.output import Format, Row, Shape
from comparator.channels.wording import figure
from comparator.commitment import Bill, Commitment, best, bill, commitments, worth_from
from pricebook.answers import as_of
from pricebook.errors import ConfigError
from pricebook.quote import Price, digits
from pricebook.series import Filter

COMMITMENTS = Shape(
    ("option", "an_hour", "saves", "worth_from", "commit", "a_year", "unused_hours", "needed_hour"),
    (
        *("option", "years", "usd_per_hour", "usd_upfront", "usd_per_hour_effective"),
        *("worth_from_share_of_hours", "bill"),
    ),
)
_PLACE = {"os": "Linux", "tenancy": "shared"}


def commitment_rows(
    app: App, machine: str, region: str, at: datetime | None, needs: Sequence[int], form: Format
) -> list[Row]:
    """Every way to commit to a machine, the cheapest first, and what it does for hourly needs.

    Without `needs` only the rates are compared. ConfigError when there is no on-demand price.
    """
    prices = _prices(app, machine, region, at or app.now())
    on_demand = _on_demand(prices, machine, region)
    return [
        _row(each, on_demand, _bill(each, on_demand, needs), form) for each in commitments(prices)
    ]


def read_needs(file: Path) -> tuple[int, ...]:
    """The machines needed in each hour, one whole number a line; ConfigError names a bad line."""
    try:
        lines = file.read_text("utf-8").split()
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is no text; write whole numbers, one a line") from None
    for number, line in enumerate(lines, 1):
        if not (line.isascii() and line.isdigit()):
            raise ConfigError(f"{file}, number {number}: {line!r} is no whole number of machines")
    if not lines:
        raise ConfigError(f"{file} is empty; write the machines needed in each hour, one a line")
    return tuple(map(int, lines))


def _prices(app: App, machine: str, region: str, at: datetime) -> list[Price]:
    where = Filter(product=machine, seller="aws", region=region)
    with app.asking() as asked:
        found = as_of(asked, at, where=where)
    mine = [price for price in found if _PLACE.items() <= dict(price.series.qualifiers).items()]
    return [discounted(price, app.settings.aws.discounts) for price in mine]


def _on_demand(prices: Sequence[Price], machine: str, region: str) -> Decimal:
    for price in prices:
        if price.series.get("term") == "on_demand" and price.amount:
            return price.amount
    raise ConfigError(
        f"no on-demand price of {machine} in {region} to compare with;"
        f" see `breakeven prices {machine}`, and `breakeven collect aws-ec2`"
    )


def _bill(commitment: Commitment, on_demand: Decimal, needs: Sequence[int]) -> Bill | None:
    if not needs:
        return None
    return bill(commitment, on_demand, needs, best(commitment, on_demand, needs))


def _row(one: Commitment, on_demand: Decimal, bill: Bill | None, form: Format) -> Row:
    share = worth_from(one, on_demand)
    if form.kind == "table":
        return _words(one, share, bill)
    return {
        "option": one.name,
        "years": one.years,
        "usd_per_hour": digits(one.hourly),
        "usd_upfront": digits(one.upfront),
        "usd_per_hour_effective": digits(one.effective),
        "worth_from_share_of_hours": digits(share),
        "bill": bill and bill.as_dict(),
    }


def _words(one: Commitment, share: Decimal, bill: Bill | None) -> Row:
    row = {
        "option": one.name,
        "an_hour": figure(one.effective),
        "saves": f"{(1 - share) * 100:.1f} %",
        "worth_from": f"{share * 100:.1f} % of hours" if share <= 1 else "never",
    }
    if bill is None:
        return row
    per_hour = bill.per_needed_hour
    return row | {
        "commit": bill.machines,
        "a_year": f"{bill.usd:,.0f}",
        "unused_hours": f"{bill.unused_hours:,.0f}",
        "needed_hour": None if per_hour is None else figure(per_hour),
    }
