"""The whole configuration: each floor reads its own tables, this puts them together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from comparator.receivers import Receiver, read_receivers
from comparator.rules.header import Collecting
from comparator.rules.rulebook import Rule, check_rules, read_rule
from comparator.silence import Silence, read_windows
from comparator.workload import Workload
from pricebook.config import Secret, Table, load, naming
from pricebook.errors import ConfigError
from scraper import providers
from scraper.aws.settings import AwsSettings
from scraper.document import Page
from scraper.settings import GateSettings, HttpSettings

if TYPE_CHECKING:
    from scraper.collect import Source
    from scraper.evidence import Evidence

DEFAULT_FILE = Path("breakeven.toml")
EC2 = "aws-ec2"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a user may set; see config.example.toml for each key."""

    database_url: str
    evidence: str
    """A folder, or `s3://bucket/prefix`."""
    source_names: tuple[str, ...]
    every: timedelta
    pages: dict[str, tuple[Page, ...]]
    http: HttpSettings
    gate: GateSettings
    aws: AwsSettings
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
        database, collect = table.table("database"), table.table("collect")
        throughput, delivery = table.table("throughput"), table.table("delivery")
        measurements = tuple(Path(name) for name in throughput.texts("files", []))
        collecting = Collecting(collect.duration("every", "6h"), _sources(collect))
        settings = cls(
            database_url=database.text("url", "sqlite:///breakeven.db"),
            evidence=database.text("evidence", "evidence"),
            source_names=collecting.sources,
            every=collecting.every,
            pages=_pages(collect),
            http=HttpSettings.from_table(table.table("http")),
            gate=GateSettings.from_table(table.table("gate")),
            aws=AwsSettings.from_table(table.table("aws")),
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
        for part in (database, collect, throughput, delivery, table):
            part.close()
        settings._check()
        return settings

    @classmethod
    def load(cls, file: Path) -> Settings:
        """From a TOML file; each sentence of an error begins with the file's name."""
        table = load(file)
        with naming(file):
            return cls.read(table)

    @property
    def missing_file(self) -> Path | None:
        """The SQLite file that the database's address names, when it can be made but isn't yet."""
        name = self.database_url.partition("sqlite:///")[2]
        if not name or name.startswith((":memory:", "file:")):
            return None
        file = Path(name)
        return file if file.parent.is_dir() and not file.exists() else None

    def to_ask(self) -> Settings:
        """The same for commands that only ask: they don't make a database where there is none."""
        return replace(self, database_url="sqlite://") if self.missing_file else self

    def evidence_store(self) -> Evidence:
        """Where raw answers are kept; ConfigError when an address is none of S3."""
        from scraper.aws.bucket import SCHEME, EvidenceBucket
        from scraper.evidence import EvidenceFolder

        if self.evidence.startswith(SCHEME):
            return EvidenceBucket(self.evidence, self.aws)
        return EvidenceFolder(Path(self.evidence))

    def sources(self, names: Iterable[str] = ()) -> list[Source]:
        """The sources of these names, all that are set when none is given."""
        wanted = list(names) or list(self.source_names)
        return [self._source(name) for name in wanted]

    def _source(self, name: str) -> Source:
        from scraper.aws.source import Ec2Source
        from scraper.collect import PageSource

        if name == EC2:
            return Ec2Source(self.aws)
        if name not in known_sources():
            raise ConfigError(f"{name} is no source; known: {', '.join(known_sources())}")
        provider = providers.load(name)
        return PageSource(name, provider, self.pages.get(name, provider.PAGES))

    def _check(self) -> None:
        self.evidence_store()
        if self.every < timedelta(minutes=5):
            raise ConfigError("[collect]: every is below 5min; prices don't change that often")
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


def known_sources() -> list[str]:
    """Every source that this program can collect from."""
    return [EC2, *providers.names()]


def _sources(collect: Table) -> tuple[str, ...]:
    names = collect.texts("sources", known_sources())
    for name in names:
        if name not in known_sources():
            raise collect.error("sources", f"has {name!r}; known: {', '.join(known_sources())}")
    return tuple(dict.fromkeys(names))


def _pages(collect: Table) -> dict[str, tuple[Page, ...]]:
    replaced = collect.table("pages")
    found = {}
    for name in providers.names():
        if replaced.has(name):
            forms = replaced.table(name)
            found[name] = tuple(
                Page(forms.text(form), form)
                for form in ("markdown", "html", "json", "csv")
                if forms.has(form)
            )
            forms.close()
    replaced.close()
    return found
