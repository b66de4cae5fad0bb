"""AWS Bedrock: the public price list, one CSV for each offer and region; no account needed.

https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/using-the-aws-price-list-bulk-api-fetching-price-list-files-manually.html

Two offers: AmazonBedrock (Amazon's own and open models) and AmazonBedrockFoundationModels (models
billed through the AWS Marketplace, Anthropic's among them). A file has five lines about itself,
then a header and one row for each price. What a price is for stands in `usageType`, such as
`USE1-Nova2.0Lite-input-tokens-flex-cross-region-global` or
`USE1-MP:USE1_InputTokenCount_Global-Units`; other columns repeat parts of it, where not empty.

Read: prices per token on demand, in every tier, where the request may run (`deployment`: regional,
geo, global), cached, of long prompts, with customised models, and training by token. Not read, one
note for each unit: what isn't counted in tokens (reserved and provisioned throughput by the hour,
images, guardrails, storage). `product` is the model's id without its version where the list gives
one (`qwen.qwen3-32b`), else made of maker and name as the list has them.

This reader has not met a real file: it is made from AWS's description and from the rows that other
programs quote of it.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from pricebook.errors import DocumentRefused, PageChanged
from pricebook.quote import Quote, Series, SetAside
from scraper.document import Document, Page
from scraper.reading import Unit, Unreadable, unit

SELLER = "bedrock"

_LISTS = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws"
_OFFERS = ("AmazonBedrock", "AmazonBedrockFoundationModels")
PAGES = tuple(Page(f"{_LISTS}/{offer}/current/us-east-1/index.csv", "csv") for offer in _OFFERS)

# Attributes of models differ between the offers; these columns are in both.
_COLUMNS = {
    "TermType", "PriceDescription", "StartingRange", "EndingRange", "Unit", "PricePerUnit",
    "Currency", "usageType", "Region Code",
}  # fmt: skip

_Row = Mapping[str, str]


def read(document: Document) -> Iterator[Quote | SetAside]:
    """Every price of tokens in one price list, and what could not be read."""
    offer, rows = _rows(document)
    names = _ids_by_name(rows)
    by_length = _priced_by_length(rows, names)
    others: dict[str, list[_Row]] = defaultdict(list)
    currencies = Counter(row["Currency"] for row in rows)
    for row in rows:
        if not _may_count_tokens(row):
            others[row["Unit"]].append(row)
            continue
        try:
            _check_currency(row, currencies)
            yield _quote(offer, row, names, by_length)
        except Unreadable as error:
            text = f"{row['PricePerUnit']} {row['Currency']} per {row['Unit']}"
            yield SetAside(str(error), _place(offer, row), text)
    for counted, same in others.items():
        where = ", ".join(row["usageType"] for row in same[:3])
        yield SetAside(f"{len(same)} prices per {counted or 'nothing'}: no tokens", offer, where)


# --- the file -----------------------------------------------------------------------------------


def _rows(document: Document) -> tuple[str, list[_Row]]:
    """The offer, and each row keyed by the header."""
    lines = _whole(csv.reader(document.text.splitlines(), strict=True))
    about: dict[str, str] = {}
    header: list[str] = []
    for line in lines:
        if "SKU" in line:
            header = line
            break
        if len(line) == 2:
            about[line[0]] = line[1]
    offer = about.get("OfferCode", "")
    if document.form != "csv" or about.get("FormatVersion") != "v1.0" or offer not in _OFFERS:
        raise DocumentRefused(
            f"{SELLER}: {document.url} is no price list of {' or '.join(_OFFERS)} (v1.0, as CSV)"
        )
    if missing := _COLUMNS - set(header):
        raise PageChanged(SELLER, offer, f'column "{min(missing)}" is missing')
    if twice := sorted(name for name in _COLUMNS if header.count(name) > 1):
        raise PageChanged(SELLER, offer, f'column "{twice[0]}" is there more than once')
    rows = list(lines)
    if any(len(row) != len(header) for row in rows):
        raise PageChanged(SELLER, offer, "a row with more or fewer cells than the header")
    return offer, [dict(zip(header, row, strict=True)) for row in rows]


def _whole(lines: Iterator[list[str]]) -> Iterator[list[str]]:
    """The lines of the file, which must not break off within a cell."""
    try:
        yield from lines
    except csv.Error as error:
        raise PageChanged(SELLER, "the price list", f"is no whole CSV: {error}") from None


def _place(offer: str, row: _Row) -> str:
    return f"{offer} › {_name(row)} › {row['usageType']}"


def _name(row: _Row) -> str:
    """The model's name for people: `Nova 2.0 Lite`, `Claude Opus 5.5 (Amazon Bedrock Edition)`."""
    columns = ("Model", "titanModel", "serviceName")
    return next((row[name] for name in columns if row.get(name)), "")


def _quote(offer: str, row: _Row, names: Mapping[str, str], by_length: set[str]) -> Quote:
    if row["TermType"] != "OnDemand":
        raise Unreadable(f"{row['TermType']} is no term that we know")
    if (row["StartingRange"], row["EndingRange"]) != ("0", "Inf"):
        raise Unreadable("a price that depends on how much is used")
    usage = _usage(row)
    _check_tier(row, usage)
    product = _product(row, usage, names)
    counted = _counted(row)
    amount = counted.price(_amount(row["PricePerUnit"]))
    series = Series.of(
        SELLER,
        product,
        usage.meter,
        counted.name,
        currency=row["Currency"],
        region=row["Region Code"],
        **_conditions(usage, product, by_length),
    )
    return Quote(series, amount, row["PricePerUnit"], _place(offer, row), f"per {row['Unit']}")


def _check_currency(row: _Row, currencies: Counter[str]) -> None:
    """A list is in one currency; a row in another one than most was misprinted or misread."""
    usual = max(currencies, key=lambda name: currencies[name])
    if row["Currency"] != usual:
        raise Unreadable(f"{row['Currency']}, where the list is in {usual}")


def _amount(text: str) -> Decimal:
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) or not Decimal(text):
        raise Unreadable(f'"{text}" is not a price')
    return Decimal(text)


# "1M TPM Hour" is reserved throughput; rows of the Marketplace may leave the count to their text.
_TOKENS = re.compile(r"[0-9]*[KM]? ?tokens?", re.IGNORECASE)
_THOUSAND = re.compile(r"\bthousand\b|\b1K\b|\b1,?000\b", re.IGNORECASE)
_MILLION = re.compile(r"\bmillion\b|\b1M\b|\b1,?000,?000\b", re.IGNORECASE)


def _may_count_tokens(row: _Row) -> bool:
    return bool(_TOKENS.fullmatch(row["Unit"])) or row["Unit"] == "Units"


def _counted(row: _Row) -> Unit:
    """The unit, which the text of the row must not deny."""
    text = row["PriceDescription"]
    said = {name for name, form in (("1K", _THOUSAND), ("1M", _MILLION)) if form.search(text)}
    printed = row["Unit"]
    if printed == "Units" and len(said) == 1 and "token" in text.lower():
        return unit(f"{min(said)} tokens")
    if printed == "Units":
        raise Unreadable(f'"{text}" doesn\'t say how many tokens a unit is')
    counted = unit(printed)
    if said and said != {"1K" if counted.count == 1000 else "1M"}:
        raise Unreadable(f'the unit is {printed}, but the text says "{text}"')
    return counted


# --- what a price is for ------------------------------------------------------------------------

_USAGE = re.compile(
    r"(?P<bill>[A-Z]{2,}[0-9]*)-(?:MP:(?P=bill)_(?P<market>\w+)-Units|"
    r"(?P<model>.+?)-(?P<own>(?:text-|speech-)?(?:input|output|cache)-.+|Customization-Training))"
)
_WORDS = {
    **{word: ("direction", word) for word in ("input", "output")},
    **{word: ("cache", f"cache_{word}") for word in ("read", "write")},
    **{word: ("work", word) for word in ("training",)},
    **{word: ("tier", word) for word in ("standard", "batch", "flex", "priority")},
    **{word: ("deployment", word) for word in ("global", "geo", "regional")},
    **{word: ("modality", word) for word in ("text", "image", "audio", "video")},
    **{word: ("ttl", word) for word in ("5m", "30m", "1h")},
    "hour": ("ttl", "1h"),
    "long": ("length", "long"),
    "custom": ("tuned", "true"),
    "optimized": ("variant", "latency optimized"),
}
# Words that go with one of those above: cross-region-global, input-token-count, long-context ...
_FILLERS = {
    "cache", "token", "tokens", "count", "cross", "region", "context", "ctx", "model", "latency",
    "customization", "1",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Usage:
    """What a usageType says; `model` is "" for models of the Marketplace."""

    model: str
    meter: str
    said: Mapping[str, str]


def _usage(row: _Row) -> _Usage:
    found = _USAGE.fullmatch(row["usageType"])
    if not found:
        raise Unreadable("a usageType in a form that we don't know")
    text = found["market"] or found["own"]
    said: dict[str, str] = {}
    for word in re.findall(r"[A-Z]?[a-z]+|[0-9]+[a-z]*", text):
        name, value = _WORDS.get(word.lower(), ("", ""))
        if not name and word.lower() not in _FILLERS:
            raise Unreadable(f'the word "{word}" of the usageType is unknown')
        if said.get(name, value) != value:
            raise Unreadable(f"the usageType says both {said[name]} and {value}")
        said[name] = value
    return _Usage(found["model"] or "", _meter(said, text), said)


def _meter(said: Mapping[str, str], text: str) -> str:
    if "work" in said:
        return said["work"]
    is_cache = "cache" in text.lower()
    if is_cache != ("cache" in said) or (is_cache and said.get("direction") == "output"):
        raise Unreadable("the usageType doesn't say what is paid for, or says too much")
    if not is_cache and "direction" not in said:
        raise Unreadable("the usageType doesn't say what is paid for")
    return said["cache"] if is_cache else said["direction"]


def _check_tier(row: _Row, usage: _Usage) -> None:
    """A column that names another tier than the usageType is a reason for doubt."""
    columns = ("Feature", "Inference Type", "service_tier")
    words = " ".join(row.get(name, "") for name in columns).lower()
    for tier in ("batch", "flex", "priority"):
        if tier in words and usage.said.get("tier") != tier:
            raise Unreadable(f"a column says {tier}, the usageType doesn't")


# Where the price of long prompts begins, in tokens, as the maker says it.
# https://platform.claude.com/docs/en/about-claude/pricing
_LONG = {"anthropic.claude-sonnet-4": 200_000, "anthropic.claude-sonnet-4-5": 200_000}


def _conditions(usage: _Usage, product: str, by_length: set[str]) -> dict[str, str | None]:
    said = usage.said
    place = {"deployment": said.get("deployment", "regional")}
    if usage.meter == "training":
        return dict(place)
    ttl = said.get("ttl")
    if usage.meter == "cache_write" and not ttl and product.startswith("anthropic."):
        # "cache writes with the default 5-minute TTL": the list marks the others only.
        ttl = "5m"
    return {
        **place,
        "service_tier": said.get("tier", "standard"),
        "context": _context("length" in said, product, by_length),
        "cache_ttl": ttl,
        "modality": said.get("modality"),
        "fine_tuned": said.get("tuned"),
        "variant": said.get("variant"),
    }


def _context(is_long: bool, product: str, by_length: set[str]) -> str | None:
    if product not in by_length:
        return None
    if product not in _LONG:
        raise Unreadable(f"how long a prompt of {product} may be at this price is not known to us")
    return f"{'>' if is_long else '<='}{_LONG[product]}"


def _priced_by_length(rows: list[_Row], names: Mapping[str, str]) -> set[str]:
    """The models with a price of their own for long prompts."""
    found = set()
    for row in rows:
        with suppress(Unreadable):
            usage = _usage(row)
            if "length" in usage.said:
                found.add(_product(row, usage, names))
    return found


# --- models -------------------------------------------------------------------------------------

_ID = re.compile(r"([a-z0-9]+\.[a-z0-9.-]+?)(?:-mantle)?")
_EDITION = " (Amazon Bedrock Edition)"
_MAKERS = {
    "AI21 Labs": "ai21",
    "Amazon": "amazon",
    "Anthropic": "anthropic",
    "Cohere": "cohere",
    "DeepSeek": "deepseek",
    "Google": "google",
    "Meta": "meta",
    "MiniMax": "minimax",
    "MiniMax AI": "minimax",
    "Mistral": "mistral",
    "Mistral AI": "mistral",
    "Moonshot AI": "moonshotai",
    "NVIDIA": "nvidia",
    "OpenAI": "openai",
    "Qwen": "qwen",
    "Writer": "writer",
    "Z AI": "zai",
    "xAI": "xai",
}
_FIRST_WORDS = {"Nova": "Amazon", "Titan": "Amazon", "Claude": "Anthropic", "OpenAI": "OpenAI"}


def _product(row: _Row, usage: _Usage, names: Mapping[str, str]) -> str:
    if found := _ID.fullmatch(usage.model):
        return found[1]
    name = _name(row).removesuffix(_EDITION)
    if name in names:
        return names[name]
    maker = row.get("Provider") or _FIRST_WORDS.get(name.partition(" ")[0], "")
    if maker not in _MAKERS:
        raise Unreadable(f'the maker of "{name}" is not known to us')
    slug = "-".join(name.removeprefix("OpenAI ").lower().split())
    if maker == "Anthropic":
        slug = slug.replace(".", "-")
    return f"{_MAKERS[maker]}.{slug}"


def _ids_by_name(rows: list[_Row]) -> dict[str, str]:
    """Ids of models that some rows have in their usageType, by the name that others have only."""
    ids: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        usage = _USAGE.fullmatch(row["usageType"])
        if usage and (found := _ID.fullmatch(usage["model"] or "")):
            ids[_name(row)].add(found[1])
    return {name: min(found) for name, found in ids.items() if name and len(found) == 1}
