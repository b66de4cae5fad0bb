"""What the name of an Azure meter says: model, direction, region class, tier, and what is counted.

Azure's price list has no field for the model. It hides it in names such as `5.4 mini cd Inp Dz 1M
Tokens` or `gpt-4o-0806-FT-Trng-regnl tkn Tokens`. The words below are all that we know; a name
with any other word is `Unreadable`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from scraper.reading import Unreadable

# Words that Azure writes as one, apart; each pattern is from names of the list of 2026-08-11.
_GLUED = (
    (r"data zone", "datazone"),
    (r"\bgpt(\d)", r"gpt \1"),
    (r"\b4omini\b", "4o mini"),
    (r"realtimeprvw", "realtime prvw "),
    (r"\b(aud|txt)(inp|outp)\b", r"\1 \2"),
    (r"\b(batch)(outp)\b", r"\1 \2"),
    (r"\b(mini|aud|txt)(\d{4})\b", r"\1 \2"),
    (r"\b(turbo|trb)(\d+k)\b", r"\1 \2"),
    (r"\b(\d+b)ftregnl\b", r"\1 ft regnl"),
    (r"\b(llama|grok)(\d)", r"\1 \2"),
    (r"\bdeepseekv(\d)", r"deepseek v\1"),
)
_SAME = {
    "mn": "mini",
    "rt": "realtime",
    "rtime": "realtime",
    "prvw": "preview",
    "trb": "turbo",
    "tcrb": "transcribe",
    "trscb": "transcribe",
    "mnstrl": "ministral",
    "aud": "audio",
    "txt": "text",
    "img": "image",
    "125": "0125",
}

# What a word of a name stands for: (property, value).
_WORDS = {
    **dict.fromkeys(("inp", "inpt", "in", "input"), ("direction", "input")),
    **dict.fromkeys(("opt", "outp", "outpt", "out", "output"), ("direction", "output")),
    **dict.fromkeys(
        ("cd", "cchd", "ccchd", "cched", "cached", "cache", "ch"), ("cache", "cache_read")
    ),
    "wr": ("write", "cache_write"),
    **dict.fromkeys(("gl", "glb", "glbl", "global"), ("deployment", "global")),
    **dict.fromkeys(("dz", "dzn", "dzone", "datazone"), ("deployment", "data_zone")),
    **dict.fromkeys(("rg", "rgnl", "regn", "regnl", "regional"), ("deployment", "regional")),
    "std": ("tier", "standard"),
    "batch": ("tier", "batch"),
    "pp": ("tier", "priority"),
    "longco": ("length", ">"),
    "l": ("length", ">"),
    "shortco": ("length", "<="),
    "ft": ("tuning", "supervised"),
    "rft": ("tuning", "reinforcement"),
    **dict.fromkeys(("trng", "training"), ("work", "training")),
    **dict.fromkeys(("hstng", "hosting"), ("work", "hosting")),
    **dict.fromkeys(("grdr", "grader"), ("work", "grader")),
    "dev": ("level", "developer"),
    "high": ("level", "high resolution"),
}
# Words that say nothing beside others: "model grader", "deployment hosting", "high res".
_FILLERS = {"model", "mdl", "mdel", "deployment", "tkn", "res"}


@dataclass(frozen=True, slots=True)
class Meter:
    """What a name says. `said` holds what its words stand for, as in `_WORDS`.

    `counted` is the name's last word ("tokens", "unit"), `printed_count` the "1M" before it.
    `modality` is given where a model has prices for several.
    """

    products: tuple[str, ...]
    said: dict[str, str]
    modality: str | None
    counted: str
    printed_count: str


def read_meter(list_name: str, meter_name: str) -> Meter:
    """Read a `meterName` of the `productName` it stands under; `Unreadable` when unsure."""
    if re.search(r"[\s-]{2}", meter_name):
        raise Unreadable(f'"{meter_name}" has lost a word')
    words = _apart(meter_name)
    counted, count = _counted(words)
    said: dict[str, str] = {}
    left = []
    for word in words:
        name, value = _WORDS.get(word, ("", ""))
        if said.get(name, value) != value:
            raise Unreadable(f'"{meter_name}" says both {said[name]} and {value}')
        if name:
            said[name] = value
        elif word not in _FILLERS:
            left.append(_SAME.get(word, word))
    modality, model = _modality(left)
    return Meter(_products(list_name, model), said, modality, counted, count)


def _apart(name: str) -> list[str]:
    text = " ".join(re.split(r"[\s-]+", name.lower()))
    for glued, apart in _GLUED:
        text = re.sub(glued, apart, text)
    return text.split()


def _counted(words: list[str]) -> tuple[str, str]:
    """Take what is counted off the end of the words, with its number: `1M Tokens`."""
    counted = words.pop() if words else ""
    count = words.pop() if words and words[-1] in ("1k", "1m") else ""
    return counted, count


# --- modalities ---------------------------------------------------------------------------------

_MODALITIES = ("text", "audio", "image")


def _modality(words: list[str]) -> tuple[str | None, str]:
    """The modality that is priced, and the words of the model without it.

    "gpt audio mini text" is text for gpt-audio-mini, "gpt audio mini" its audio, "gpt image 1
    image" images for gpt-image-1.
    """
    named = [word for word in words if word in _MODALITIES]
    if not named or "embedding" in words:
        return None, " ".join(words)
    if named == ["audio"] and not {"realtime", "transcribe", "tts"} & set(words):
        return "audio", " ".join(words)
    rest = list(words)
    at = len(words) - 1 - words[::-1].index(named[-1])
    del rest[at]
    return named[-1], " ".join(rest)


# --- models -------------------------------------------------------------------------------------

# A meter has the day of a model's version without its year.
# https://learn.microsoft.com/azure/ai-foundry/foundry-models/concepts/models-sold-directly-by-azure
_DATES = {
    "0131": "2025-01-31",
    "0210": "2026-02-10",
    "0227": "2025-02-27",
    "0416": "2025-04-16",
    "0513": "2024-05-13",
    "0603": "2025-06-03",
    "0626": "2025-06-26",
    "0718": "2024-07-18",
    "0806": "2024-08-06",
    "0828": "2025-08-28",
    "1120": "2024-11-20",
    "1215": "2025-12-15",
    "1217": "2024-12-17",
}
_GPT = re.compile(
    r"(?:gpt )?(4o|4\.[15]|[5-9](?:\.[0-9])?)"
    r"((?: (?:mini|nano|pro|chat|codex|max|luna|terra|sol|transcribe|tts))*)"
)
_REASONING = re.compile(r"o[1-9](?: (?:mini|pro|preview|deep research))?")
_MEDIA = re.compile(r"gpt (?:audio|realtime|image)(?: [1-9](?:\.[0-9])?)?(?: mini)?")
# What the words don't spell.
_OPENAI = {
    "gpt 4 8k": "gpt-4",
    "gpt 4 32k": "gpt-4-32k",
    "gpt 4 turbo 128k": "gpt-4-turbo",
    "gpt 4 turbo vision 128k": "gpt-4-vision-preview",
    "gpt 35 turbo 4k": "gpt-35-turbo",
    "gpt 35 turbo 16k": "gpt-35-turbo-16k",
    "gpt 35 turbo 16k 1106": "gpt-35-turbo-1106",
    "gpt 35 turbo 16k 0125": "gpt-35-turbo-0125",
    "gpt 35 turbo instruct": "gpt-35-turbo-instruct",
    "babbage 002": "babbage-002",
    "davinci 002": "davinci-002",
    "embedding ada": "text-embedding-ada-002",
    "text embedding 3 large": "text-embedding-3-large",
    "text embedding 3 small": "text-embedding-3-small",
    "computer use": "computer-use-preview",
    "codex mini": "codex-mini",
    "chat latest": "chat-latest",
    "image 2": "gpt-image-2",
    "sora 2": "sora-2",
    "sora 2 pro": "sora-2-pro",
    "code interpreter": "code_interpreter",
    "file search tool calls": "file_search",
    "assistants file search": "file_search",
    "gpt 4o audio": "gpt-4o-audio-preview",
    "gpt 4o mini audio": "gpt-4o-mini-audio-preview",
    "gpt 4o realtime": "gpt-4o-realtime-preview",
    "gpt 4o realtime preview": "gpt-4o-realtime-preview",
    "gpt 4o mini realtime": "gpt-4o-mini-realtime-preview",
    "gpt 4o transcribe d": "gpt-4o-transcribe-diarize",
}
_GROK_4_FAST = ("grok-4-fast-reasoning", "grok-4-fast-non-reasoning")
# Models that Azure sells for others: the productName, and the meter's words for each model.
_PARTNERS: dict[str, dict[str, str | tuple[str, ...]]] = {
    "Azure OpenAI OSS Models": {
        "gpt oss 120b": "gpt-oss-120b",
        "gpt oss 20b": "gpt-oss-20b",
        "oss 20b": "gpt-oss-20b",
        "20b": "gpt-oss-20b",
    },
    "Azure Deepseek Models": {
        "mai ds r1": "MAI-DS-R1",
        "r1": "DeepSeek-R1",
        "v3": "DeepSeek-V3",
        "v3 0324": "DeepSeek-V3-0324",
        "v3.1": "DeepSeek-V3.1",
        "v3.2": "DeepSeek-V3.2",
        "v3.2 sp": "DeepSeek-V3.2-Speciale",
        "v4 flash": "DeepSeek-V4-Flash",
        "v4 pro": "DeepSeek-V4-Pro",
    },
    "Azure Grok Models": {
        "grok 3": "grok-3",
        "grok 3 mini": "grok-3-mini",
        "grok 4": "grok-4",
        "grok 4 fast": _GROK_4_FAST,
        "grok 4.1": "grok-4.1",
        "grok 4.2": "grok-4.2",
        "4.3": "grok-4.3",
        "code fast 1": "grok-code-fast-1",
    },
    "Azure Kimi": {
        "k2 thinking": "Kimi-K2-Thinking",
        "k2.5": "Kimi-K2.5",
        "k2.5 thinking": "Kimi-K2.5",
        "k2.6": "Kimi-K2.6",
        "k2.6 thinking": "Kimi-K2.6",
        "k2.7 code": "Kimi-K2.7-Code",
    },
    "Azure Llama Models": {
        "3.3 70b": "Llama-3.3-70B-Instruct",
        "llama 3.3": "Llama-3.3-70B-Instruct",
        "llama 3.3 70b": "Llama-3.3-70B-Instruct",
        "llama 4 maverick 17b": "Llama-4-Maverick-17B-128E-Instruct-FP8",
    },
    "Azure Mistral Models": {
        "codestral": "Codestral-2501",
        "large 3": "Mistral-Large-3",
        "mm3.5": "mistral-medium-3.5",
        "ministral 3b": "Ministral-3B",
        "doc ai 2505": "mistral-document-ai-2505",
        "doc ai 2512": "mistral-document-ai-2512",
    },
    "Cohere Models": {
        "command a": "cohere-command-a",
        "command a plus": "cohere-command-a-plus",
        "embed v4": "embed-v-4-0",
        "rerank v4 fast": "Cohere-rerank-v4.0-fast",
        "rerank v4 pro": "Cohere-rerank-v4.0-pro",
    },
    "Azure Fireworks Models": {
        "fw deepseek v3.2": "FW-DeepSeek-V3.2",
        "fw deepseek v4 pro": "FW-DeepSeek-V4-Pro",
        "fw glm 5": "FW-GLM-5",
        "fw glm 5.1": "FW-GLM-5.1",
        "fw glm 5.2": "FW-GLM-5.2",
        "fw gpt oss 120b": "FW-GPT-OSS-120B",
        "fw kimi k2.5": "FW-Kimi-K2.5",
        "fw kimi k2.6": "FW-Kimi-K2.6",
        "fw kimi k2.7 code": "FW-Kimi-K2.7-Code",
        "fw minimax 3": "FW-MiniMax-3",
        "fw minimax m2.5": "FW-MiniMax-M2.5",
    },
}


def _products(list_name: str, words: str) -> tuple[str, ...]:
    """The models that the words of a meter name, as Azure calls them."""
    if list_name in _PARTNERS:
        found = _PARTNERS[list_name].get(words)
    else:
        found = _openai(words) if list_name.startswith("Azure OpenAI") else None
    if found is None:
        raise Unreadable(f'"{words}" is no model of "{list_name}" that we know')
    return (found,) if isinstance(found, str) else found


def _openai(words: str) -> str | None:
    """`gpt 5.4 mini` is gpt-5.4-mini, `4o 0806` gpt-4o-2024-08-06."""
    if words in _OPENAI:
        return _OPENAI[words]
    rest, _, last = words.rpartition(" ")
    if version := _version(last):
        model = _openai(rest)
        return f"{model}-{version}" if model else None
    if gpt := _GPT.fullmatch(words):
        return f"gpt-{gpt[1]}{gpt[2].replace(' ', '-')}"
    if _REASONING.fullmatch(words) or _MEDIA.fullmatch(words):
        return words.replace(" ", "-")
    return None


def _version(word: str) -> str | None:
    """The day that a word such as 0806 or 05052026 stands for, if it is one that we know."""
    whole = re.fullmatch(r"(\d\d)(\d\d)(20\d\d)", word)
    return f"{whole[3]}-{whole[1]}-{whole[2]}" if whole else _DATES.get(word)
