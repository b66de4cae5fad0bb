"""What DeepSeek writes beside its price table: footnotes, dates and hours, in English and Chinese.

Whatever sets a condition that isn't understood raises `Unreadable`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from scraper.reading import Cell, Unreadable, tidy

_MARK = re.compile(r"\^?[(（]([0-9]{1,2})[)）]")
_BEIJING = timedelta(hours=8)


def without_marks(text: str) -> str:
    """The text without footnote marks that are printed as text: `deepseek-flash(1)`."""
    return tidy(_MARK.sub("", text))


def marks(cell: Cell) -> set[str]:
    """The numbers of a cell's footnotes, raised or not."""
    return set(re.findall(r"[0-9]+", cell.note)) | set(_MARK.findall(cell.text))


def footnotes(prose: str) -> dict[str, str]:
    """The footnotes below a table by their number: `(2) For all models ...`."""
    pieces = re.split(
        r"(?:^|(?<=[\s.。!！*]))[(（]([0-9]{1,2})[)）]", prose.replace("`", ""), flags=re.MULTILINE
    )
    return {
        number: " ".join(text.split())
        for number, text in zip(pieces[1::2], pieces[2::2], strict=True)
    }


# --- dates --------------------------------------------------------------------------------------

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMERIC_DATE = re.compile(r"\b(20[0-9]{2}) ?[/年-] ?([0-9]{1,2}) ?[/月-] ?([0-9]{1,2})(?![0-9])")
_WORDED_DATE = re.compile(
    rf"\b({'|'.join(_MONTHS)})[a-z]*\.? ([0-9]{{1,2}})(?:st|nd|rd|th)?,? (20[0-9]{{2}})",
    re.IGNORECASE,
)
_TIME = re.compile(r"(?<![0-9:])([0-9]{1,2}):([0-9]{2})(?![0-9:])")


def has_date(text: str) -> bool:
    """Whether a day is named in the text."""
    return bool(_NUMERIC_DATE.search(text) or _WORDED_DATE.search(text))


def moment(text: str) -> datetime:
    """The one moment that a text names: `2026/05/31 15:59 UTC`, `北京时间 2026/4/26 20:15`."""
    days = [(int(y), int(m), int(d)) for y, m, d in _NUMERIC_DATE.findall(text)]
    for month, day, year in _WORDED_DATE.findall(text):
        days.append((int(year), _MONTHS.index(month[:3].lower()) + 1, int(day)))
    times = _TIME.findall(text)
    if len(days) != 1 or len(times) != 1:
        raise Unreadable(f'"{text}" names no moment, or several')
    hour, minute = map(int, times[0])
    try:
        return datetime(*days[0], hour, minute, tzinfo=UTC) - _ahead_of_utc(text)
    except ValueError:
        raise Unreadable(f'"{text}" names no moment') from None


def _ahead_of_utc(text: str) -> timedelta:
    """How far the clock that a text names is ahead of UTC; there has been no summer time."""
    beijing = bool(re.search(r"\bBeijing\b|北京", text))
    if beijing == ("UTC" in text):
        raise Unreadable(f'"{text}" names no time zone, or two')
    return _BEIJING if beijing else timedelta(0)


# --- hours --------------------------------------------------------------------------------------

_HOURS = re.compile(r"([0-9]{1,2}):([0-9]{2}) ?(?:[-–~至]|to) ?([0-9]{1,2}):([0-9]{2})")
_WEEKDAYS = re.compile(r"Monday (?:through|to) Friday|周一至周五")
_HOLIDAYS = re.compile(r"excluding Chinese public holidays|不含中国法定节假日")
_REST = re.compile(
    r"[(（,，]? ?(?:all other hours\b[^().]*off-peak|其余[^（）]*空闲时段)[)）]?"
    r"|Peak hours are|高峰时段|为"
    r"|\b(?:UTC|Beijing Time|and|on|from)\b|北京时间|[\s,，、()（）.。]",
    re.IGNORECASE,
)


_HALF = re.compile(
    r"\boff-peak (?:rates|prices) are half of the peak (?:rates|prices)"
    r"|空闲时段价格为高峰时段价格的一半",
    re.IGNORECASE,
)


def is_half_off_peak(prose: str) -> bool:
    """Whether the text says that prices outside of the peak hours are half of those within."""
    return bool(_HALF.search(prose))


def hours(text: str) -> str:
    """The hours of a text in UTC, nothing else being said: `UTC 16:30-00:30` is `16:30-00:30`.

    `mon-fri` stands before hours that are those of working days only, and `except cn-holidays`
    where the page leaves out the public holidays of China without listing them.
    """
    ahead = _ahead_of_utc(text)
    left = _REST.sub("", _HOLIDAYS.sub("", _WEEKDAYS.sub("", _HOURS.sub("", text))))
    spans = [tuple(map(int, span)) for span in _HOURS.findall(text)]
    if left or not spans:
        raise Unreadable(f'"{text}" are hours that we can\'t read')
    on_weekdays = bool(_WEEKDAYS.search(text))
    if on_weekdays and any(timedelta(hours=span[0]) < ahead for span in spans):
        raise Unreadable(f'"{text}" are hours of another weekday in UTC')
    days = "mon-fri " if on_weekdays else ""
    days += "except cn-holidays " if _HOLIDAYS.search(text) else ""
    return days + ",".join(
        f"{_clock(h, m, ahead)}-{_clock(to_h, to_m, ahead)}" for h, m, to_h, to_m in spans
    )


def _clock(hour: int, minute: int, ahead: timedelta) -> str:
    if hour > 24 or minute > 59:
        raise Unreadable(f'"{hour}:{minute:02}" is no time of day')
    passed = (timedelta(hours=hour, minutes=minute) - ahead) % timedelta(days=1)
    return f"{passed.seconds // 3600:02}:{passed.seconds // 60 % 60:02}"


def peak_hours(prose: str) -> str:
    """The hours of the clause that says what peak hours are."""
    clauses = [clause for clause in _clauses(prose) if _HOURS.search(clause)]
    about_peak = [c for c in clauses if re.search(r"\bPeak hours\b|高峰时段", c)]
    if len(about_peak) != 1:
        raise Unreadable("the text below the table doesn't say when peak hours are")
    return hours(_MARK.sub("", about_peak[0]))


def _clauses(prose: str) -> Iterator[str]:
    yield from re.split(r"(?<=[.])\s+|[。；;\n]", prose)


# --- what a footnote does to a price ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Period:
    """Since when and until when (exclusive) a price holds, as far as the page says."""

    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def within(self, other: Period) -> Period:
        """This period; where it is open, the other's."""
        return Period(self.valid_from or other.valid_from, self.valid_until or other.valid_until)


_TAKES_EFFECT = re.compile(r"takes? effect (?:from|on)\b(.*)|自(.*)起生效")
_ENDS = re.compile(
    r"\b(?:discount|discounted|offered|offers?)\b.*\buntil\b(.*)|(?:优惠|折).*(?:至|截至)(.*)"
)
_BECOMES = re.compile(r"adjusted to 1/([0-9]+) of the original price|调整为原定?价的 ?1/([0-9]+)")
# Footnotes that explain a price and set no condition for it.
_EXPLAINS = re.compile(
    r"Off-peak rates are half of the peak rates\.|空闲时段价格为高峰时段价格的一半"
    r"|all tokens from CoT and the final answer, and they are priced equally|其计价相同"
    r"|^(?:Please )?(?:check|see|refer to) DeepSeek Context Caching\b|^关于上下文缓存"
)


# What is to change some day leaves today's price as it is; the day would be named.
_ANNOUNCED = re.compile(
    r"\b(?:plan to|will)\b.*\bsubject to (?:the )?official notice\b"
    r"|(?:即将|计划|将).*以正式通知为准",
    re.IGNORECASE,
)


def period(note: str, amount: Decimal, list_price: Decimal | None) -> Period:
    """What a footnote of a price says of its time; `list_price` is the one struck through.

    A discount that becomes the regular price has no end. What else may be meant is not guessed.
    """
    if kept := _BECOMES.search(note):
        if list_price is None or amount * int(kept[1] or kept[2]) != list_price:
            raise Unreadable(f"a footnote announces another price: {note}")
        return Period()
    if since := _TAKES_EFFECT.search(note):
        return Period(valid_from=moment(since[1] or since[2]))
    if until := _ENDS.search(note):
        return Period(valid_until=moment(until[1] or until[2]))
    if _EXPLAINS.search(note) or (_ANNOUNCED.search(note) and not has_date(note)):
        return Period()
    raise Unreadable(f"a footnote may set a condition: {note or 'not found below the table'}")


_ID = r"deepseek-[a-z0-9.-]*[a-z0-9]"
_ALIASES = re.compile(
    rf"legacy names ?((?:,? ?(?:and )?{_ID})+) are still accepted.* billed at the \w+ price"
    rf"|旧模型名 ?((?:[、和 ]*{_ID})+) ?仍可调用.*按 ?\w+ ?价格计费"
)
_REROUTED = re.compile(r"\bAfter (.*), requests to .* will all be routed to\b|(.*)后，.*路由")
_UNCHANGED = re.compile(r"billing method remaining unchanged|计费方式(?:保持)?不变")
_PRICED = re.compile(
    r"\b(?:pric|bill|charg|discount|free\b|rate)|价|计费|折|优惠|免费", re.IGNORECASE
)


def aliases(note: str) -> tuple[str, ...]:
    """The other ids that a footnote of a model bills at the same price."""
    found = _ALIASES.search(note)
    return tuple(re.findall(_ID, found[1] or found[2])) if found else ()


def model_period(note: str) -> Period:
    """What a footnote of a model says of the time of its prices; other footnotes don't matter."""
    if not _PRICED.search(note) or _UNCHANGED.search(note) or aliases(note):
        return Period()
    if until := _REROUTED.search(note):
        return Period(valid_until=moment(until[1] or until[2]))
    raise Unreadable(f"a footnote of the model may set a condition: {note}")


def list_period(prose: str) -> Period:
    """When the price list below this text holds: `Starting from ..., we will apply the following`.

    A day in a sentence that isn't about the list has nothing to do with it.
    """
    found = Period()
    for clause in _clauses(prose):
        about = re.search(r"\b(?:following|below|current)\b|price list|以下|下表|如下|当前", clause)
        if not about or not has_date(clause):
            continue
        if re.search(r"\buntil\b|有效期至|截至", clause):
            found = found.within(Period(valid_until=moment(clause)))
        elif re.search(r"\b(?:starting|effective|from)\b|起", clause, re.IGNORECASE):
            found = found.within(Period(valid_from=moment(clause)))
        else:
            raise Unreadable(f'"{clause}" may say when the prices hold')
    return found
