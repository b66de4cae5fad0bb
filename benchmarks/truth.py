"""The prices that a person read in saved pages, in our words.

A truth table (../shared/data/pages/truth) has a row for each price, under the labels that the page
prints. Each seller has a function here that turns a row into the series that it is about, or says
why the row is not one that the reader is meant to quote.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from benchmarks.saved_pages import FOLDER, SavedPage, saved_pages
from pricebook.quote import Series

Row = Mapping[str, str]

FREE_TIER = "free tiers"
LIST_PRICE = "list prices struck through"
EQUIVALENT = "equivalents of a price per token"
EXAMPLE = "worked examples"
PLAN = "plans for people"


@dataclass(frozen=True, slots=True)
class Truth:
    """A page's truth table: its prices, and how many of its rows are something else, by kind."""

    page: SavedPage
    prices: Mapping[Series, Decimal]
    left_out: Mapping[str, int]


def truths() -> list[Truth]:
    """Every page with a truth table, in the order of the list of pages."""
    tables = {table.stem: table for table in (FOLDER / "truth").glob("*.csv")}
    found = []
    for page in saved_pages():
        table = tables.pop(page.name.rpartition(".")[0].replace("/", "__"), None)
        if table:
            with table.open(encoding="utf-8", newline="") as file:
                rows = [{**row, "form": page.form} for row in csv.DictReader(file)]
                found.append(_truth(page, rows))
    if tables:
        raise LookupError(f"no page for the truth tables {sorted(tables)}")
    return found


def _truth(page: SavedPage, rows: list[dict[str, str]]) -> Truth:
    prices: dict[Series, Decimal] = {}
    left_out: Counter[str] = Counter()
    for row in rows:
        said = _SERIES[page.seller](row)
        if isinstance(said, str):
            left_out[said] += 1
            continue
        for series in said:
            if prices.setdefault(series, _amount(row)) != _amount(row):
                raise ValueError(f"the truth table of {page.name} has two prices for {series}")
    return Truth(page, prices, left_out)


def _amount(row: Row) -> Decimal:
    if row["usd_per_million_tokens"]:
        return Decimal(row["usd_per_million_tokens"])
    return Decimal(re.sub(r"[$,]|Free$", "", row["price"]) or 0)


# --- OpenAI ---------------------------------------------------------------------------------------

_OPENAI_METERS = {
    "input": "input",
    "cached_input": "cache_read",
    "cache_write": "cache_write",
    "output": "output",
    "training": "training",
}
_OPENAI_TIERS = {"standard": "standard", "batch": "batch", "flex": "flex", "fast": "priority"}
_OPENAI_CONTEXTS = {"short_context": "<=272000", "long_context": ">272000"}
_OPENAI_SECTIONS = {"chatgpt", "codex", "search", "embedding", "moderation"}
_OPENAI_PRICED_BY_TOKEN = (
    "gpt-4o-transcribe",
    "gpt-4o-transcribe-diarize",
    "gpt-4o-mini-transcribe",
)
"""Of these a price per minute is only an estimate."""
_OPENAI_LABELS = {
    "GPT-4 8K context": "gpt-4",
    "GPT-4 32K context": "gpt-4-32k",
    "GPT-3.5 Turbo 4K context": "gpt-3.5-turbo",
    "GPT-3.5 Turbo 16K context": "gpt-3.5-turbo-16k",
    "GPT-3.5 Turbo": "gpt-3.5-turbo",
    "Ada v2": "text-embedding-ada-002",
    "ada v2": "text-embedding-ada-002",
    "DALL·E (image models)": "dall-e-2",
    "DALL·E 2": "dall-e-2",
    "DALL·E 3": "dall-e-3",
    "Whisper": "whisper-1",
    "TTS": "tts-1",
    "TTS HD": "tts-1-hd",
    "Code interpreter": "code_interpreter",
    "Retrieval": "retrieval",
}


def _openai(row: Row) -> list[Series] | str:
    if row["form"] == "text":
        return _openai_text(row)
    if row["dimension"].startswith("tool/"):
        return [_openai_tool(row)]
    product, data_sharing, _ = row["model"].partition(" with data sharing")
    product = product.removesuffix(" Legacy").replace("Whisper", "whisper-1")
    said = {"data_sharing": "true"} if data_sharing else {}
    tier, *parts = row["dimension"].removeprefix("cyber_table/").split("/")
    if tier == "fine_tuning":
        tier, kind = parts
        parts = [kind]
        if kind == "training":
            unit = "hour" if row["unit"] == "per hour" else "mtok"
            return [Series.of("openai", product, "training", unit, **said)]
        said["fine_tuned"] = "true"
    meter, unit, conditions = _openai_parts(product, parts, row["unit"])
    said |= {**conditions, "service_tier": _OPENAI_TIERS[tier]}
    return [Series.of("openai", product, meter, unit, **said)]


def _openai_parts(product: str, parts: list[str], unit: str) -> tuple[str, str, dict[str, str]]:
    if parts == ["estimated_cost"]:
        estimate = product in _OPENAI_PRICED_BY_TOKEN
        return "audio", "minute", {"variant": "estimate"} if estimate else {}
    if parts[0] == "video_output":
        return "video", "second", {"variant": parts[1]}
    kind = next(part for part in parts if part in _OPENAI_METERS)
    conditions = {
        "context" if other in _OPENAI_CONTEXTS else "modality": _OPENAI_CONTEXTS.get(other, other)
        for other in {*parts} - {kind} - _OPENAI_SECTIONS
    }
    return _OPENAI_METERS[kind], "mchar" if "characters" in unit else "mtok", conditions


def _openai_tool(row: Row) -> Series:
    _, *parts = row["dimension"].split("/")
    if row["model"] == "Web search":
        variant = parts[0].replace("gpt-5 ,", "gpt-5,").replace("series )", "series)")
        said = {"tool": "web_search", "variant": variant}
        return Series.of("openai", "web_search", "search", "kreq", **said)
    if row["model"] == "Containers":
        said = {"tool": "code_interpreter", "variant": parts[-1]}
        return Series.of("openai", "code_interpreter", "container", "session", **said)
    tool = {"File search": "file_search", "Agent Kit": "chatkit"}[row["model"]]
    meter, unit = ("request", "kreq") if parts == ["Tool call"] else ("storage", "gb_day")
    return Series.of("openai", tool, meter, unit, tool=tool)


def _openai_text(row: Row) -> list[Series] | str:
    """The pages of 2023 and 2024, saved as text."""
    section, _, kind = row["dimension"].rpartition("/")
    product = _OPENAI_LABELS.get(row["model"], row["model"])
    if section == "vision_calculator":
        return EXAMPLE
    if section == "assistants_tool":
        storage = "GB" in row["unit"]
        meter, unit = ("storage", "gb_day") if storage else ("container", "session")
        variant = "per assistant" if storage else None
        return [Series.of("openai", product, meter, unit, tool=product, variant=variant)]
    if kind == "training":
        return [Series.of("openai", product, "training", "mtok")]
    said = {"service_tier": "standard"}
    if section.startswith("image"):
        said["variant"] = row["dimension"].removeprefix("image/").replace("/", " ")
        return [Series.of("openai", product, "image", "image", **said)]
    if section == "audio":
        meter, unit = ("audio", "minute") if "minute" in row["unit"] else ("input", "mchar")
        return [Series.of("openai", product, meter, unit, **said)]
    if section == "fine_tuning":
        said["fine_tuned"] = "true"
    # One price for usage is a price for what is sent and for what is generated.
    usage = ["input"] if section == "embedding" else ["input", "output"]
    meters = usage if kind == "usage" else [kind]
    return [Series.of("openai", product, meter, "mtok", **said) for meter in meters]


# --- Anthropic ------------------------------------------------------------------------------------

_ANTHROPIC_IDS = {
    "Opus 4.7": "claude-opus-4-7",
    "Opus 4.6": "claude-opus-4-6",
    "Opus 4.5": "claude-opus-4-5",
    "Opus 4.1": "claude-opus-4-1",
    "Opus 4": "claude-opus-4-0",
    "Opus 3": "claude-3-opus-latest",
    "Sonnet 4.6": "claude-sonnet-4-6",
    "Sonnet 4.5": "claude-sonnet-4-5",
    "Sonnet 4": "claude-sonnet-4-0",
    "Sonnet 3.7": "claude-3-7-sonnet-latest",
    "Haiku 4.5": "claude-haiku-4-5",
    "Haiku 3.5": "claude-3-5-haiku-latest",
    "Haiku 3": "claude-3-haiku-20240307",
}
_ANTHROPIC_TOOLS = {
    "Web search": ("web_search", "search", "kreq"),
    "Code execution": ("code_execution", "container", "hour"),
    "Claude Managed Agents": ("managed_agents", "container", "hour"),
}
_ANTHROPIC_TIERS = {"fast_mode": "fast", "batch": "batch"}
_ANTHROPIC_LENGTHS = {"<=200K": "<=200000", ">200K": ">200000"}


def _anthropic(row: Row) -> list[Series] | str:
    words = row["dimension"].split("/")
    if words[0] == "subscription":
        return PLAN
    if words[0] in ("tool", "session_runtime"):
        tool, meter, unit = _ANTHROPIC_TOOLS[row["model"]]
        return [Series.of("anthropic", tool, meter, unit, tool=tool)]
    tier = _ANTHROPIC_TIERS.get(words[0], "standard")
    meter, *conditions = [word for word in words if word not in _ANTHROPIC_TIERS]
    said = {"service_tier": tier}
    for word in conditions:
        said["context" if word in _ANTHROPIC_LENGTHS else "cache_ttl"] = _ANTHROPIC_LENGTHS.get(
            word, word
        )
    name = row["model"].removeprefix("Claude ").removesuffix(" (deprecated)")
    return [Series.of("anthropic", _ANTHROPIC_IDS[name], meter, "mtok", **said)]


# --- Google ---------------------------------------------------------------------------------------

_GOOGLE_METERS = {
    "input": ("input", "mtok"),
    "output": ("output", "mtok"),
    "cached_input": ("cache_read", "mtok"),
    "cache_storage": ("cache_storage", "mtok_hour"),
    "grounding": ("search", "kreq"),
    "image_output": ("image", "image"),
    "video_output": ("video", "second"),
    "music_output": ("audio", "song"),
    "google_search": ("search", "kreq"),
    "google_maps": ("search", "kreq"),
    "file_search": ("input", "mtok"),
}
_GOOGLE_CONDITIONS = {
    "<=200k": ("context", "<=200000"),
    ">200k": ("context", ">200000"),
    "text+thinking": ("modality", "text"),
    "images": ("modality", "image"),
    "search": ("tool", "google_search"),
    "maps": ("tool", "google_maps"),
}


def _google(row: Row) -> list[Series] | str:
    tier, *words = row["dimension"].split("/")
    if tier == "free_tier":
        return FREE_TIER
    if row["form"] == "markdown":  # the page of 2025 names no tiers, and no ids
        tier, words = "standard", [tier, *words]
    # Batch and flex print the price per image alone; elsewhere it explains the one per token.
    alone = row["model"] == "gemini-3-pro-image-preview" and tier in {"batch", "flex"}
    if row["unit"].endswith("(equivalent)") and not alone:
        return EQUIVALENT
    if row["model"] == "tools":
        return [_google_tool(row, tier, words[0])]
    said = {"service_tier": tier}
    if words[0] == "live_api":
        said["variant"] = words.pop(0).replace("live_api", "Live API")
    meter, unit, conditions = _google_parts(words)
    names = row["model"].split(" + ")
    products = [name.lower().replace(" ", "-") for name in names]
    return [Series.of("google", one, meter, unit, **said, **conditions) for one in products]


def _google_parts(words: list[str]) -> tuple[str, str, dict[str, str]]:
    kind, *rest = words
    meter, unit = _GOOGLE_METERS[kind]
    if rest[:1] == ["per_image"]:
        meter, unit, rest = "image", "image", rest[1:]
    elif rest and rest[-1] in ("per_image", "per_minute"):
        unit = rest.pop().removeprefix("per_")
    named = "variant" if meter in {"image", "video"} else "modality"
    return meter, unit, dict(_GOOGLE_CONDITIONS.get(word, (named, word)) for word in rest)


def _google_tool(row: Row, tier: str, tool: str) -> Series:
    meter, unit = _GOOGLE_METERS[tool]
    models = {"grounded prompts": "Gemini 2.5", "search queries": "Gemini 3"}
    of = next((model for words, model in models.items() if words in row["unit"]), None)
    variant = of if tool == "google_search" else None
    return Series.of("google", tool, meter, unit, tool=tool, service_tier=tier, variant=variant)


# --- DeepSeek, Perplexity -------------------------------------------------------------------------

_DEEPSEEK_METERS = {
    "input/cache_hit": "cache_read",
    "input/cache_miss": "input",
    "output": "output",
}


def _deepseek(row: Row) -> list[Series] | str:
    if row["dimension"].startswith("list_price"):
        return LIST_PRICE
    meter = _DEEPSEEK_METERS[row["dimension"]]
    return [Series.of("deepseek", row["model"], meter, "mtok", service_tier="standard")]


_PERPLEXITY_KINDS: dict[str, tuple[str, str, str | None]] = {
    "input": ("input", "mtok", None),
    "embedding": ("input", "mtok", None),
    "output": ("output", "mtok", None),
    "citation_tokens": ("input", "mtok", "citation"),
    "search_queries": ("search", "kreq", None),
    "reasoning_tokens": ("output", "mtok", "reasoning"),
}
_PERPLEXITY_TOOLS = {"web_search": ("search", "request"), "sandbox": ("container", "session")}


def _perplexity_fee(words: list[str]) -> tuple[str, str, str | None]:
    *search, size = words
    said = [*(f"{one} search" for one in search), size.replace("_", " search ")]
    return "request", "kreq", ", ".join(said)


def _perplexity(row: Row) -> list[Series] | str:
    product = row["model"].lower().replace(" ", "-")
    kind, *words = row["dimension"].split("/")
    if kind == "agent_tool":
        meter, unit = _PERPLEXITY_TOOLS.get(product, ("request", "request"))
        return [Series.of("perplexity", product, meter, unit, tool=product)]
    if kind == "request":
        return [Series.of("perplexity", product, "request", "kreq")]
    meter, unit, variant = _perplexity_fee(words) if words else _PERPLEXITY_KINDS[kind]
    return [Series.of("perplexity", product, meter, unit, service_tier="standard", variant=variant)]


_SERIES: dict[str, Callable[[Row], list[Series] | str]] = {
    "anthropic": _anthropic,
    "deepseek": _deepseek,
    "google": _google,
    "openai": _openai,
    "perplexity": _perplexity,
}


# --- a page beside its truth table ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a reading makes of a truth table; `wrong`: another amount, or a price out of nowhere."""

    right: int
    wrong: tuple[str, ...]
    missing: tuple[Series, ...]

    @property
    def recall(self) -> Decimal:
        """The share of the prices on the page that were read right."""
        total = Decimal(self.right + len(self.missing))
        return self.right / total


def compared(truth: Mapping[Series, Decimal], found: Mapping[Series, Decimal]) -> Comparison:
    """Set what was read beside what a person read."""
    right = sum(truth.get(series) == amount for series, amount in found.items())
    missing = tuple(series for series in truth if truth[series] != found.get(series))
    return Comparison(right, tuple(_wrong(truth, found)), missing)


def _wrong(truth: Mapping[Series, Decimal], found: Mapping[Series, Decimal]) -> Iterator[str]:
    for series, amount in found.items():
        if series not in truth:
            yield f"{series} at {amount}, which the page doesn't have"
        elif truth[series] != amount:
            yield f"{series} at {amount}, which costs {truth[series]}"
