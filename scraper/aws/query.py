"""EC2 prices from the AWS Price List Query API: on-demand and reserved, one region at a time.

The refusals are for what real lists hold beside the price of a machine's hour: Capacity Block
twins at $0, capacity reservations, other licences and software.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

from pricebook.errors import DocumentRefused
from pricebook.garbage import nothing_collected
from pricebook.quote import Quote, Series, SetAside
from scraper.aws.client import Client, in_plain_words, pricing_client
from scraper.aws.settings import OPERATIONS, AwsSettings, location_type
from scraper.document import Reading, sorted_out

SELLER = "aws"

_PAGE_SIZE = 100
_FORMAT = "aws_v1"

# No filter takes a family such as p5, but there is one for the list's own groups of families.
# Which group holds which prefix: AmazonEC2 price lists of 2021-02 to 2025-04.
_GROUPS = {
    **dict.fromkeys(("p", "g", "gr"), "GPU instance"),
    **dict.fromkeys(("inf", "trn", "dl"), "Machine Learning ASIC Instances"),
}

PAYMENTS = {"No Upfront": "none", "Partial Upfront": "partial", "All Upfront": "all"}
_YEARS = {"1yr": "1", "3yr": "3"}
_CLASSES = ("standard", "convertible")
_METERS = {"Hrs": ("instance", "hour"), "Quantity": ("upfront", "commitment")}

_TERM_CODES = {
    "4NA7Y494T4": ("1", "standard", "none"),
    "HU7G6KETJZ": ("1", "standard", "partial"),
    "6QCMYABX3D": ("1", "standard", "all"),
    "BPH4J8HBKS": ("3", "standard", "none"),
    "38NPMPTW36": ("3", "standard", "partial"),
    "NQ3QZPMQV9": ("3", "standard", "all"),
    "7NE97W5U4E": ("1", "convertible", "none"),
    "CUZHX8X6JH": ("1", "convertible", "partial"),
    "VJWZNREJX2": ("1", "convertible", "all"),
    "Z2E3P23VKM": ("3", "convertible", "none"),
    "R5XV2EPZQZ": ("3", "convertible", "partial"),
    "MZU6U2429S": ("3", "convertible", "all"),
}
"""Offer term code -> (years, class, payment), for terms that carry no words of their own.

From us-east-1 price lists of 2020 and 2025; China uses other codes.
"""

_LETTERS = re.compile(r"[a-z]+")
MONEY = re.compile(r"[0-9]+(\.[0-9]{1,10})?")
"""AWS prints ten decimals at most, which is what the price book holds."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What AWS said of one region.

    `raw` is one JSON document `{"FormatVersion", "PriceList": [str, ...]}`: the entries of all
    pages as received, sorted, so that an unchanged list gives unchanged bytes; `read_answer` reads
    it again. `not_sold` are the families and types of the settings that exist but have no
    on-demand or reserved price in the region (p5e is sold by Capacity Block only).
    """

    raw: bytes
    reading: Reading
    not_sold: tuple[str, ...] = ()


def read_prices(settings: AwsSettings, region: str, *, client: Client = None) -> Answer:
    """Ask for all prices of one region and read them; `client` is shared between regions.

    Raises CredentialsMissing, FetchFailed or DocumentRefused; then nothing of the region is read.
    """
    if client is None:
        with closing(pricing_client(settings)) as own:
            return read_prices(settings, region, client=own)
    texts = sorted(_ask(settings, region, client))
    raw = json.dumps({"FormatVersion": _FORMAT, "PriceList": texts}).encode()
    return answer_of(raw, _decoded(texts, region), settings, region)


def read_answer(raw: bytes, settings: AwsSettings, region: str) -> Answer:
    """Read a stored answer (`Answer.raw`); DocumentRefused when it holds no price."""
    with _refused_when_broken(region):
        texts = json.loads(raw)["PriceList"]
    return answer_of(raw, _decoded(texts, region), settings, region)


@nothing_collected()
def answer_of(
    raw: bytes, entries: Iterable[dict[str, Any]], settings: AwsSettings, region: str
) -> Answer:
    """Read the entries of a price list, whichever way they came; `raw` is what they were.

    DocumentRefused when they hold no price.
    """
    source = f"aws-ec2/{region}"
    reading = sorted_out(_read_entries(entries, settings, region))
    missing = _without_quote(settings, reading.quotes)
    unknown = [_unknown_family(name, region) for name in missing if name not in known_names()]
    set_aside = (*reading.set_aside, *unknown)
    if not reading.quotes:
        raise DocumentRefused(_nothing_found(source, settings, set_aside))
    not_sold = tuple(name for name in missing if name in known_names())
    return Answer(raw, Reading(reading.quotes, set_aside), not_sold)


def _ask(settings: AwsSettings, region: str, client: Client) -> set[str]:
    source = f"aws-ec2/{region}"
    entries: set[str] = set()
    with in_plain_words(source):
        paginator = client.get_paginator("get_products")
        for filters in _questions(settings, region):
            pages = paginator.paginate(
                ServiceCode="AmazonEC2",
                FormatVersion=_FORMAT,
                Filters=filters,
                PaginationConfig={"PageSize": _PAGE_SIZE},
            )
            for page in pages:
                entries.update(_price_list(page, source))
    return entries


def _price_list(page: dict[str, Any], source: str) -> list[str]:
    # botocore takes a body that was cut off, or is no JSON, for an answer without any field.
    if page.get("FormatVersion") != _FORMAT or "PriceList" not in page:
        raise DocumentRefused(f"{source}: AWS's answer is cut off or no price list ({_FORMAT})")
    return list(page["PriceList"])


def _questions(settings: AwsSettings, region: str) -> Iterator[list[dict[str, str]]]:
    """The filters of each question that is asked of a region: one for each operating system.

    So thirty regions, of at most a hundred such machines each, take thirty calls.
    """
    prefixes = {_LETTERS.findall(name)[0] for name in settings.families}
    for system in settings.operating_systems:
        filters = _term_match(conditions(region, system))
        if prefixes <= _GROUPS.keys():
            # Several values of ANY_OF are joined by commas (awslabs' aws-pricing-mcp-server).
            groups = ",".join(sorted({_GROUPS[prefix] for prefix in prefixes}))
            filters.append({"Type": "ANY_OF", "Field": "instanceFamily", "Value": groups})
        yield filters


def _term_match(fields: dict[str, str]) -> list[dict[str, str]]:
    return [{"Type": "TERM_MATCH", "Field": name, "Value": value} for name, value in fields.items()]


def conditions(region: str, system: str) -> dict[str, str]:
    """What singles out one price per machine: asked of AWS, and checked in its answer."""
    return {
        "regionCode": region,
        "locationType": location_type(region),
        "operatingSystem": system,
        "tenancy": "Shared",
        "preInstalledSw": "NA",
        "licenseModel": "No License required",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
        "operation": OPERATIONS[system],
    }


def _decoded(texts: Iterable[str], region: str) -> Iterator[dict[str, Any]]:
    """One entry after the other: decoded, they take four times the room of their texts."""
    with _refused_when_broken(region):
        for text in texts:
            yield json.loads(text)


@contextmanager
def _refused_when_broken(region: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        raise DocumentRefused(
            f"aws-ec2/{region}: the price list is cut off or not one ({error})"
        ) from None


class _Commitment(NamedTuple):
    """The conditions of a reservation, in the words of the book."""

    term_years: str
    offering_class: str
    payment: str


@dataclass(frozen=True, slots=True)
class _Sku:
    """One entry that passed all conditions."""

    code: str
    instance_type: str
    region: str
    system: str
    on_demand: tuple[dict[str, Any], ...]
    reserved: tuple[dict[str, Any], ...]

    def series(self, unit: str, currency: str, commitment: _Commitment | None) -> Series:
        qualifiers = _qualifiers(self.region, self.system, commitment)
        return Series(SELLER, self.instance_type, *_METERS[unit], currency, qualifiers)


@lru_cache(maxsize=1024)
def _qualifiers(
    region: str, system: str, commitment: _Commitment | None
) -> tuple[tuple[str, str], ...]:
    # A thousand machines are sold on a dozen conditions, which are put in order once.
    words = {"region": region, "os": system, "tenancy": "shared", "term": "on_demand"}
    if commitment:
        words |= {"term": "reserved", **commitment._asdict()}
    return Series.of(SELLER, "any", "instance", "hour", **words).qualifiers


class _Refused(Exception):
    def __init__(self, reason: str, where: str, text: str = "") -> None:
        super().__init__(reason)
        self.aside = SetAside(reason, where, text)


def _read_entries(
    entries: Iterable[dict[str, Any]], settings: AwsSettings, region: str
) -> Iterator[Quote | SetAside]:
    wanted = {system: conditions(region, system) for system in settings.operating_systems}
    found: dict[tuple[str, str], list[tuple[str, list[Quote | SetAside]]]] = defaultdict(list)
    for entry in entries:
        try:
            sku = _sku(entry, settings, wanted)
        except _Refused as refused:
            yield refused.aside
            continue
        if sku:
            # Read at once: to keep the entries takes longer than to read them.
            found[sku.instance_type, sku.system].append((sku.code, [*_prices(sku)]))
    for (machine, system), same in found.items():
        # Two entries for one machine: the one that stands last is no better than the first.
        codes = [code for code, _ in same]
        yield from same[0][1] if len(same) == 1 else [_rivals(machine, system, codes)]


def _sku(
    entry: dict[str, Any], settings: AwsSettings, wanted: Mapping[str, Mapping[str, str]]
) -> _Sku | None:
    try:
        code, attributes = entry["product"]["sku"], entry["product"]["attributes"]
        instance_type, system = attributes["instanceType"], attributes.get("operatingSystem")
        on_demand = (*entry["terms"].get("OnDemand", {}).values(),)
        reserved = (*entry["terms"].get("Reserved", {}).values(),)
        is_wanted, needed = settings.wants(instance_type), wanted.get(system)
    except (KeyError, TypeError, AttributeError) as error:
        text = json.dumps(entry)[:200]
        raise _Refused(f"an entry in an unknown shape ({error})", "PriceList", text) from None
    if not is_wanted:
        return None
    if needed is None:
        raise _Refused(f"operatingSystem is {system!r}", code, instance_type)
    for name, value in needed.items():
        if attributes.get(name) != value:
            reason = f"{name} is {attributes.get(name)!r}, not {value!r}"
            raise _Refused(f"{instance_type}: {reason}", code, attributes.get("usagetype", ""))
    return _Sku(code, instance_type, needed["regionCode"], system, on_demand, reserved)


def _rivals(machine: str, system: str, codes: Sequence[str]) -> SetAside:
    reason = f"{len(codes)} entries for {machine} {system}, where one is right"
    return SetAside(reason, ", ".join(codes), machine)


def _prices(sku: _Sku) -> Iterator[Quote | SetAside]:
    readers: list[Callable[[], list[Quote]]] = [partial(_on_demand, sku)]
    readers += [partial(_commitment, sku, term) for term in sku.reserved]
    offers: dict[Series, list[list[Quote]]] = defaultdict(list)
    for read in readers:
        try:
            quotes = read()
        except _Refused as refused:
            yield refused.aside
        except (KeyError, TypeError, AttributeError) as error:
            reason = f"{sku.instance_type}: a term in an unknown shape ({error})"
            yield SetAside(reason, sku.code, "")
        else:
            offers[quotes[0].series].append(quotes)
    for series, same in offers.items():
        yield from same[0] if len(same) == 1 else [_doubled(series, same)]


def _doubled(series: Series, offers: list[list[Quote]]) -> SetAside:
    """Two commitments on the same conditions fall together, or the fee of one joins the other."""
    quotes = [quote for offer in offers for quote in offer]
    where = ", ".join(quote.where for quote in quotes)
    return SetAside(
        f"{len(offers)} offers of {series}", where, " | ".join(q.quoted for q in quotes)
    )


def _on_demand(sku: _Sku) -> list[Quote]:
    rates = [rate for term in sku.on_demand for rate in term["priceDimensions"].values()]
    hourly = _only(rates, "Hrs", f"{sku.instance_type} on demand", sku.code)
    quote = _quote(sku, hourly, None)
    if not quote.amount:
        raise _Refused(f"{sku.instance_type} on demand at 0", quote.where, hourly["description"])
    return [quote]


def _commitment(sku: _Sku, term: dict[str, Any]) -> list[Quote]:
    commitment = _conditions_of(term, sku)
    payment, place = commitment.payment, f"{sku.code}.{term['offerTermCode']}"
    rates = term["priceDimensions"].values()
    upfront = [rate for rate in rates if rate["unit"] == "Quantity"]
    hours = [rate for rate in rates if rate["unit"] != "Quantity"]
    quotes = [_quote(sku, _only(hours, "Hrs", "a commitment", place), commitment)]
    if payment != "none":
        fee = _only(upfront, "Quantity", f"a commitment with payment {payment}", place)
        quotes.append(_quote(sku, fee, commitment))
    elif upfront:
        raise _Refused("an upfront fee on a No Upfront term", place)
    _check_amounts(quotes, payment)
    return quotes


def _conditions_of(term: dict[str, Any], sku: _Sku) -> _Commitment:
    words: dict[str, str] = term.get("termAttributes") or {}
    code = term["offerTermCode"]
    if not words and code in _TERM_CODES:
        return _Commitment(*_TERM_CODES[code])
    years = _YEARS.get(words.get("LeaseContractLength", ""))
    offering_class = words.get("OfferingClass", "")
    payment = PAYMENTS.get(words.get("PurchaseOption", ""))
    if not years or not payment or offering_class not in _CLASSES:
        reason = f"{sku.instance_type}: a commitment on unknown conditions"
        raise _Refused(reason, f"{sku.code}.{code}", json.dumps(words))
    return _Commitment(years, offering_class, payment)


def _only(rates: list[dict[str, Any]], unit: str, what: str, where: str) -> dict[str, Any]:
    if len(rates) != 1:
        raise _Refused(f"{what} has {len(rates)} prices in {unit}, where one is right", where)
    if rates[0]["unit"] != unit:
        raise _Refused(f"{what} has the unit {rates[0]['unit']!r}, not {unit!r}", where)
    return rates[0]


def _quote(sku: _Sku, rate: dict[str, Any], commitment: _Commitment | None) -> Quote:
    prices, place, unit = rate["pricePerUnit"], rate["rateCode"], rate["unit"]
    if len(prices) != 1:
        raise _Refused(f"{sku.instance_type} has a price in {len(prices)} currencies", place)
    ((currency, printed),) = prices.items()
    if not MONEY.fullmatch(printed):
        raise _Refused(f"{sku.instance_type} has a price that is no amount", place, printed)
    series = sku.series(unit, currency, commitment)
    return Quote(series, Decimal(printed), printed, place, unit)


def _check_amounts(quotes: list[Quote], payment: str) -> None:
    for quote in quotes:
        # All Upfront leaves nothing to pay by the hour; every other part of a commitment costs.
        free = payment == "all" and quote.series.meter == "instance"
        if not quote.amount and not free:
            raise _Refused(f"{quote.series.product}: a commitment at 0", quote.where, quote.quoted)


def _without_quote(settings: AwsSettings, quotes: Iterable[Quote]) -> list[str]:
    types = {quote.series.product for quote in quotes}
    sold = types | {name.partition(".")[0] for name in types}
    return [name for name in settings.families if name not in sold]


@cache
def known_names() -> set[str]:
    """Every EC2 type and family that this boto3 knows."""
    import botocore.session

    model = botocore.session.Session().get_service_model("ec2")
    types = set(model.shape_for("InstanceType").enum)
    return types | {name.partition(".")[0] for name in types}


def _unknown_family(name: str, region: str) -> SetAside:
    nearest = difflib.get_close_matches(name, sorted(known_names()), n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    reason = f"AWS sells no {name} in {region}, and boto3 knows no such family or type{hint}"
    return SetAside(reason, "[aws] families", name)


def _nothing_found(source: str, settings: AwsSettings, set_aside: Sequence[SetAside]) -> str:
    names, systems = ", ".join(settings.families), ", ".join(settings.operating_systems)
    sentence = f"{source}: AWS lists no price of {names} with {systems} there"
    reasons = "; ".join(aside.reason for aside in set_aside[:3])
    return f"{sentence} ({reasons})" if reasons else f"{sentence}; check the region's code"
