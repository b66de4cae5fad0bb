"""The catalogue: every measurement that comes with breakeven, and the user's own, by name."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from pathlib import Path
from statistics import median
from typing import TypeVar

from comparator.measurement import (
    TABLES,
    Fit,
    Instance,
    Row,
    Score,
    Throughput,
    TrainingRate,
    TrainingRun,
    end_of,
    read,
)
from comparator.way import Unknown

DATA = Path(__file__).with_name("data")

TOLERANCE = {"rating": Decimal(25), "percent": Decimal(5)}
"""How far two scores may differ and agree: at 25 points of rating the weaker one wins 46 of 100."""

_Kind = TypeVar("_Kind", bound=Row)
_Speed = TypeVar("_Speed", Throughput, Fit, TrainingRate, TrainingRun)


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """The accelerators of an EC2 type, whose number may be a part of one; memory is of each."""

    instance: str
    gpu: str
    gpus: Decimal
    gpu_memory_mib: Decimal
    source: str

    def groups(self, size: Decimal) -> Decimal:
        """How many copies of a model the machine serves, each on `size` GPUs."""
        return self.gpus // size


@dataclass(frozen=True, slots=True)
class Equivalence:
    """An open model that may stand for an API's, by the tests that compared both.

    `agreeing`, `differing`: who says that the two are alike, and who that they are not.
    """

    api_model: str
    open_model: str
    agreeing: tuple[str, ...]
    differing: tuple[str, ...]
    scores: tuple[Score, ...]

    @property
    def verdict(self) -> str:
        """Called equivalent only when two bases agree and none differs."""
        if not self.agreeing:
            return "not equivalent"
        if self.differing:
            return "the bases disagree"
        return "equivalent" if len(self.agreeing) > 1 else "one basis only"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Measurements by what they are of; an empty name in a question asks for all."""

    rows: tuple[Row, ...]

    def throughput(
        self,
        model: str = "",
        gpu: str = "",
        precision: str = "",
        engine: str = "",
        concurrency: Decimal | None = None,
    ) -> tuple[Throughput, ...]:
        """Speeds of inference."""
        rows = _asked(
            self._of(Throughput), model=model, gpu=gpu, precision=precision, engine=engine
        )
        return tuple(row for row in rows if concurrency in (None, row.concurrency))

    def service(
        self, model: str = "", gpu: str = "", precision: str = "", engine: str = ""
    ) -> tuple[Fit, ...]:
        """Fitted laws of the time that a request takes."""
        return _asked(self._of(Fit), model=model, gpu=gpu, precision=precision, engine=engine)

    def finetuning(
        self, model: str = "", gpu: str = "", method: str = ""
    ) -> tuple[TrainingRate, ...]:
        """Speeds of fine-tuning."""
        return _asked(self._of(TrainingRate), model=model, gpu=gpu, method=method)

    def runs(self, model: str = "", gpu: str = "") -> tuple[TrainingRun, ...]:
        """Whole fine-tuning runs."""
        return _asked(self._of(TrainingRun), model=model, gpu=gpu)

    @property
    def models(self) -> tuple[str, ...]:
        """Every open model that was measured, by name."""
        kinds = (Throughput, Fit, TrainingRate, TrainingRun)
        return tuple(sorted({row.model for row in self.rows if isinstance(row, kinds)}))

    @property
    def gpus(self) -> tuple[str, ...]:
        """Every GPU that something was measured on, by name."""
        kinds = (Throughput, Fit, TrainingRate, TrainingRun)
        return tuple(sorted({row.gpu for row in self.rows if isinstance(row, kinds)}))

    @property
    def instances(self) -> tuple[GpuFacts, ...]:
        """Every EC2 type whose GPUs are known."""
        rows = self._of(Instance)
        whole = {row.gpu: row.gpu_memory_mib for row in rows if row.gpus}
        return tuple(_facts(row, whole) for row in rows)

    def instance(self, name: str) -> GpuFacts:
        """The GPUs of an EC2 type; Unknown, with the nearest names, when it isn't listed."""
        known = {facts.instance: facts for facts in self.instances}
        if name not in known:
            raise Unknown(f"what GPUs {name} has isn't known{nearest(name, known)}")
        return known[name]

    @property
    def api_models(self) -> tuple[str, ...]:
        """Every model of an API that open ones were compared with."""
        return tuple(sorted({row.api_model for row in self._of(Score)}))

    def equivalents(self, api_model: str, at: datetime | None = None) -> tuple[Equivalence, ...]:
        """Open models that were compared with an API's, or with a dated version of it, by `at`."""
        pairs: dict[tuple[str, str], list[Score]] = defaultdict(list)
        for row in self._of(Score):
            if _is_version(row.api_model, api_model) and (at is None or end_of(row.date) <= at):
                pairs[row.api_model, row.open_model].append(row)
        return tuple(_equivalence(scores) for scores in pairs.values())

    def _of(self, kind: type[_Kind]) -> tuple[_Kind, ...]:
        return tuple(row for row in self.rows if isinstance(row, kind))


def load(files: Sequence[Path] = ()) -> Catalogue:
    """What comes with breakeven, and the user's own files of the same tables."""
    own = chain.from_iterable(read(file) for file in files)
    return Catalogue((*_packaged(), *own))


def nearest(name: str, known: Iterable[str]) -> str:
    """How a sentence about an unknown name ends: with names that look like it, or with nothing."""
    close = difflib.get_close_matches(name, list(known))
    return f"; did you mean {', '.join(close)}?" if close else ""


@lru_cache(maxsize=1)
def _packaged() -> tuple[Row, ...]:
    files = (DATA / f"{kind.table}.csv" for kind in TABLES)
    return tuple(chain.from_iterable(read(file) for file in files))


def _asked(rows: Iterable[_Speed], **wanted: str) -> tuple[_Speed, ...]:
    """Those rows whose fields have the wanted words, in whatever case."""
    words = {name: word.casefold() for name, word in wanted.items() if word}
    return tuple(
        row
        for row in rows
        if all(getattr(row, name).casefold() == word for name, word in words.items())
    )


def _facts(row: Instance, whole: Mapping[str, Decimal]) -> GpuFacts:
    """EC2 counts no GPU where a machine has a part of one: its memory says which part."""
    if row.gpus:
        return GpuFacts(row.instance, row.gpu, row.gpus, row.gpu_memory_mib, row.source)
    if row.gpu not in whole:
        raise Unknown(f"{row.instance} has a part of a {row.gpu}, whose memory isn't known")
    part = (row.gpu_memory_mib / whole[row.gpu]).quantize(Decimal("0.001"))
    return GpuFacts(row.instance, row.gpu, part.normalize(), row.gpu_memory_mib, row.source)


def _is_version(name: str, api_model: str) -> bool:
    """Whether it is that model, or that model with a date behind its name."""
    rest = name.casefold().removeprefix(api_model.casefold())
    return rest == "" or (rest != name.casefold() and rest.replace("-", "").isdigit())


def _equivalence(scores: Sequence[Score]) -> Equivalence:
    bases: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        bases[score.basis].append(score)
    agree = {basis: _agree(of_basis) for basis, of_basis in bases.items()}
    return Equivalence(
        scores[0].api_model,
        scores[0].open_model,
        tuple(basis for basis, yes in agree.items() if yes),
        tuple(basis for basis, yes in agree.items() if not yes),
        tuple(scores),
    )


def _agree(scores: Iterable[Score]) -> bool:
    """Whether the median of one basis's differences is small; a statement says that it is."""
    gaps = [
        (one.open_score - one.api_score) / TOLERANCE[one.score_unit]
        for one in scores
        if one.open_score is not None and one.api_score is not None
    ]
    return not gaps or abs(median(gaps)) <= 1
