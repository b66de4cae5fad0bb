"""Where the book is and how it is filled: all of the configuration that questions about prices
read. What compares and tells has its part in `breakeven.settings`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pricebook.asking import sqlite_file
from pricebook.config import Table
from pricebook.errors import ConfigError
from scraper import providers
from scraper.aws.settings import SCHEME, AwsSettings
from scraper.document import Page
from scraper.settings import GateSettings, HttpSettings

if TYPE_CHECKING:
    from scraper.collect import Source
    from scraper.evidence import Evidence

EC2 = "aws-ec2"

_COMPARING = ("throughput", "workload", "rule", "receiver", "maintenance", "delivery")
"""The tables of `breakeven.settings`: known here, and left unread."""


@dataclass(frozen=True, slots=True)
class BookSettings:
    """The book, and the sources that fill it."""

    database_url: str
    evidence: str
    """A folder, or `s3://bucket/prefix`."""
    source_names: tuple[str, ...]
    every: timedelta
    pages: dict[str, tuple[Page, ...]]
    http: HttpSettings
    gate: GateSettings
    aws: AwsSettings

    @classmethod
    def read(cls, table: Table) -> BookSettings:
        """From the top level of the file; ConfigError for anything unknown or impossible."""
        database, collect = table.table("database"), table.table("collect")
        settings = BookSettings(
            database_url=database.text("url", "sqlite:///breakeven.db"),
            evidence=database.text("evidence", "evidence"),
            source_names=_sources(collect),
            every=collect.duration("every", "6h"),
            pages=_pages(collect),
            http=HttpSettings.from_table(table.table("http")),
            gate=GateSettings.from_table(table.table("gate")),
            aws=AwsSettings.from_table(table.table("aws")),
        )
        for name in _COMPARING:
            table.has(name)
        for part in (database, collect, table):
            part.close()
        settings.evidence_store()
        if settings.every < timedelta(minutes=5):
            raise ConfigError("[collect]: every is below 5min; prices don't change that often")
        return settings

    @property
    def file(self) -> Path | None:
        """The SQLite file that the database's address names, whether it exists or not."""
        return sqlite_file(self.database_url)

    @property
    def missing_file(self) -> Path | None:
        """That file, when it can be made but isn't yet."""
        file = self.file
        return file if file and file.parent.is_dir() and not file.exists() else None

    def to_ask(self) -> Self:
        """The same for commands that only ask: they don't make a database where there is none."""
        return replace(self, database_url="sqlite://") if self.missing_file else self

    def evidence_store(self) -> Evidence:
        """Where raw answers are kept; ConfigError when an address is none of S3."""
        if self.evidence.startswith(SCHEME):
            from scraper.aws.bucket import EvidenceBucket

            return EvidenceBucket(self.evidence, self.aws)
        from scraper.evidence import EvidenceFolder

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
