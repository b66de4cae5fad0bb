"""What EC2 machines cost under Savings Plans, by the account's API or by public price list files.

The rate is the whole price of a machine's hour; `payment` says how much of the commitment is paid
at its start, which is no fee beside the rate but the same money earlier.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pricebook.errors import DocumentRefused
from pricebook.quote import Quote, Series, SetAside
from scraper.aws.client import Client, in_plain_words
from scraper.aws.list_file import ListHead, Row, cut, lines_of
from scraper.aws.query import MONEY, PAYMENTS, SELLER, Answer
from scraper.aws.settings import OPERATIONS, PRODUCT_DESCRIPTIONS, AwsSettings
from scraper.document import sorted_out

OFFER = "ComputeSavingsPlan"

_PAGE_SIZE = 1000
_PLANS = {
    "Compute": "compute",
    "ComputeSavingsPlans": "compute",
    "EC2Instance": "ec2_instance",
    "EC2InstanceSavingsPlans": "ec2_instance",
}
"""What the API and the files call a kind of plan -> what we call it."""
_YEARS = {31_536_000: "1", 94_608_000: "3"}
_NEEDED = (
    *("ratecode", "unit", "discountedrate", "currency", "discountedsku", "purchaseoption"),
    *("leasecontractlength", "leasecontractlengthunit", "productfamily"),
)


@dataclass(frozen=True, slots=True)
class _Rate:
    """One rate, in the words of where it was read."""

    machine: Series
    plan: str
    years: str
    payment: str
    amount: str
    unit: str
    currency: str
    where: str

    def read(self) -> Quote | SetAside:
        """Its quote; set aside when one of its words is unknown or it costs nothing."""
        plan, payment = _PLANS.get(self.plan), PAYMENTS.get(self.payment)
        if not plan or not payment or self.years not in ("1", "3"):
            return self._aside(f"unknown plan: {self.plan}, {self.years} years, {self.payment}")
        if self.unit != "Hrs" or not MONEY.fullmatch(self.amount) or not Decimal(self.amount):
            return self._aside(f"no price of an hour: {self.amount!r} per {self.unit!r}")
        place = {name: self.machine.get(name) or "" for name in ("region", "os", "tenancy")}
        series = Series.of(
            *(SELLER, self.machine.product, "instance", "hour"),
            currency=self.currency,
            term="savings_plan",
            term_years=self.years,
            payment=payment,
            variant=plan,
            **place,
        )
        return Quote(series, Decimal(self.amount), self.amount, self.where, self.unit)

    def _aside(self, reason: str) -> SetAside:
        return SetAside(f"{self.machine.product}: {reason}", self.where, self.amount)


def ask_rates(settings: AwsSettings, region: str, *, client: Client) -> Answer:
    """Ask for all rates of one region and read them.

    `Answer.raw` is `{"searchResults": [...]}` of all pages, sorted. Raises CredentialsMissing,
    FetchFailed or DocumentRefused.
    """
    source = _source(region)
    with in_plain_words(source):
        results = list(_search(_question(settings, region), client, source))
    raw = json.dumps({"searchResults": sorted(results, key=json.dumps)}, default=str).encode()
    try:
        return _answer(raw, _rates_of(results, settings, region), region)
    except (KeyError, TypeError) as error:
        raise DocumentRefused(f"{source}: a rate in an unknown shape ({error})") from None


def cut_rates(chunks: Iterator[bytes], machines: Mapping[str, Series], region: str) -> bytes:
    """The rows of a region's Savings Plans list that are for these machines, by their SKU."""
    types = {series.product for series in machines.values()}
    return cut(chunks, OFFER, types, _of(machines), _source(region))


def read_rates(raw: bytes, machines: Mapping[str, Series], region: str) -> Answer:
    """Read what `cut_rates` kept: each row is joined with its machine by the SKU."""
    source = _source(region)
    lines = lines_of([raw], source)
    head = ListHead.read(lines, OFFER, source)
    head.require(_NEEDED, source)
    wanted = _of(machines)
    rows = filter(wanted, (head.row(line, source) for line in lines))
    return _answer(raw, (_rate_of(row, machines) for row in rows), region)


def _source(region: str) -> str:
    return f"aws-ec2/{region}/savings_plans"


def _answer(raw: bytes, rates: Iterable[_Rate], region: str) -> Answer:
    reading = sorted_out(rate.read() for rate in rates)
    if not reading.quotes:
        reasons = "; ".join(aside.reason for aside in reading.set_aside[:3])
        raise DocumentRefused(
            f"{_source(region)}: AWS lists no Savings Plan for these machines"
            f" ({reasons or 'savings_plans = false under [aws] stops asking'})"
        )
    return Answer(raw, reading)


def _question(settings: AwsSettings, region: str) -> dict[str, Any]:
    systems = [PRODUCT_DESCRIPTIONS.get(name) for name in settings.operating_systems]
    filters = {
        "region": [region],
        "instanceFamily": sorted({name.partition(".")[0] for name in settings.families}),
        "productDescription": [name for name in systems if name],
        "tenancy": ["shared"],
    }
    return {
        "savingsPlanTypes": ["Compute", "EC2Instance"],
        "products": ["EC2"],
        "serviceCodes": ["AmazonEC2"],
        "filters": [{"name": name, "values": values} for name, values in filters.items()],
        "maxResults": _PAGE_SIZE,
    }


def _search(question: dict[str, Any], client: Client, source: str) -> Iterator[dict[str, Any]]:
    """All pages: boto3 has no paginator for this question."""
    seen: set[str] = set()
    token = ""
    while token not in seen:
        more = {"nextToken": token} if token else {}
        page = client.describe_savings_plans_offering_rates(**question, **more)
        yield from page["searchResults"]
        seen.add(token)
        token = page.get("nextToken", "")
        if not token:
            return
    raise DocumentRefused(f"{source}: AWS's pages go in circles")


def _rates_of(
    results: Iterable[Mapping[str, Any]], settings: AwsSettings, region: str
) -> Iterator[_Rate]:
    systems = {PRODUCT_DESCRIPTIONS.get(name): name for name in settings.operating_systems}
    for result in results:
        said = {one["name"]: one["value"] for one in result["properties"]}
        name, system = said.get("instanceType", ""), systems.get(said.get("productDescription"))
        if system is None or not settings.wants(name) or not _is_used(result, name, system):
            continue
        offering = result["savingsPlanOffering"]
        yield _Rate(
            _machine(name, region, system),
            offering["planType"],
            _YEARS.get(offering["durationSeconds"], str(offering["durationSeconds"])),
            offering["paymentOption"],
            result["rate"],
            result["unit"],
            offering["currency"],
            f"{offering['offeringId']} {result['usageType']}",
        )


def _is_used(result: Mapping[str, Any], name: str, system: str) -> bool:
    """Whether a rate is for a machine that runs: unused reservations of capacity have rates too."""
    usage = re.fullmatch(rf"([A-Z0-9]+-)?BoxUsage:{re.escape(name)}", result["usageType"])
    return usage is not None and result["operation"] == OPERATIONS[system]


def _machine(name: str, region: str, system: str) -> Series:
    place = {"region": region, "os": system, "tenancy": "shared"}
    return Series.of(SELLER, name, "instance", "hour", **place)


def _of(machines: Mapping[str, Series]) -> Callable[[Row], bool]:
    return lambda row: row.get("discountedsku") in machines


def _rate_of(row: Row, machines: Mapping[str, Series]) -> _Rate:
    length, unit = row["leasecontractlength"], row["leasecontractlengthunit"]
    return _Rate(
        machines[row["discountedsku"]],
        row["productfamily"],
        length if unit == "year" else f"{length} {unit}",
        row["purchaseoption"],
        row["discountedrate"],
        row["unit"],
        row["currency"],
        row["ratecode"],
    )
