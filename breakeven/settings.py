"""The whole configuration: each floor reads its own tables, this puts them together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from breakeven.book_settings import BookSettings
from comparator.receivers import Receiver, read_receivers
from comparator.rules.header import Collecting
from comparator.rules.rulebook import Rule, check_rules, read_rule
from comparator.silence import Silence, read_windows
from comparator.workload import Workload
from pricebook.config import Secret, Table, load, naming
from pricebook.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Settings(BookSettings):
    """Everything that a user may set; see config.example.toml for each key."""

    throughput_files: tuple[Path, ...]
    workloads: tuple[Workload, ...]
    rules: tuple[Rule, ...]
    receivers: dict[str, Receiver]
    windows: tuple[Silence, ...]
    """Maintenance: when nobody is told."""
    report: str
    """The receiver that hears of those that don't get their messages; "" for none."""
    ping: Secret | None
    """Where a healthy pass is told to a dead man's switch."""

    @classmethod
    def read(cls, table: Table) -> Settings:
        """From the top level of the file; ConfigError for anything unknown or impossible."""
        book = BookSettings.read(table)
        throughput, delivery = table.table("throughput"), table.table("delivery")
        measurements = tuple(Path(name) for name in throughput.texts("files", []))
        collecting = Collecting(book.every, book.source_names)
        settings = cls(
            **{field.name: getattr(book, field.name) for field in fields(book)},
            throughput_files=measurements,
            workloads=tuple(
                Workload.from_table(one, measurements) for one in table.tables("workload")
            ),
            rules=tuple(read_rule(one, collecting) for one in table.tables("rule")),
            receivers=read_receivers(table),
            windows=tuple(read_windows(table)),
            report=delivery.text("report", ""),
            ping=Secret.read(delivery.table("ping")) if delivery.has("ping") else None,
        )
        for part in (throughput, delivery):
            part.close()
        settings._check()
        return settings

    @classmethod
    def load(cls, file: Path) -> Settings:
        """From a TOML file; each sentence of an error begins with the file's name."""
        table = load(file)
        with naming(file):
            return cls.read(table)

    def _check(self) -> None:
        for kind, names in (
            ("workload", [one.name for one in self.workloads]),
            ("rule", [one.name for one in self.rules]),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ConfigError(f"[[{kind}]]: two are called {sorted(twice)[0]!r}; rename one")
        check_rules(self.rules, self.workloads, self.receivers)
        if self.report and self.report not in self.receivers:
            known = ", ".join(self.receivers) or "none is set"
            raise ConfigError(f"[delivery]: report is {self.report!r}, no receiver; known: {known}")
