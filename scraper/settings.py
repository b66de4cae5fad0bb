"""What a user may set of fetching and of the gate; light enough for every command."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from pricebook.config import Table


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """`[http]`. `contact`: an address or URL where a site's owner reaches who runs this.

    `timeout` bounds one fetch in all, with its redirects and retries, but without the pauses that
    `min_interval` puts between two requests to one host. `max_bytes` counts after decompression.
    `ca_file`: certificates to trust instead of the public ones, for a company's inspecting proxy.
    """

    contact: str = ""
    timeout: timedelta = timedelta(seconds=60)
    max_bytes: int = 32 * 1024 * 1024
    min_interval: timedelta = timedelta(seconds=1)
    proxy: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    allow_loopback: bool = False

    @classmethod
    def from_table(cls, table: Table) -> HttpSettings:
        """From `[http]`, every key of which may be absent."""
        ca_file = table.text("ca_file", "")
        settings = cls(
            contact=table.text("contact", ""),
            timeout=table.duration("timeout", "60s"),
            max_bytes=table.integer("max_bytes", 32 * 1024 * 1024),
            min_interval=table.duration("min_interval", "1s"),
            proxy=table.text("proxy", "") or None,
            ca_file=Path(ca_file) if ca_file else None,
            allow_loopback=table.flag("allow_loopback", False),
        )
        table.close()
        settings._check(table)
        return settings

    def _check(self, table: Table) -> None:
        if not (self.contact.isascii() and self.contact.isprintable()):
            raise table.error("contact", "goes into a header: write plain ASCII on one line")
        if not self.timeout:
            raise table.error("timeout", "must be longer than 0s")
        if self.max_bytes <= 0:
            raise table.error("max_bytes", "must be above 0")
        if self.proxy and not self.proxy.startswith(("http://", "https://")):
            raise table.error("proxy", "must be a URL such as http://proxy.example.com:3128")
        if self.ca_file and not self.ca_file.is_file():
            raise table.error("ca_file", f"names no file: {self.ca_file}")


@dataclass(frozen=True, slots=True)
class GateSettings:
    """`[gate]`. `max_jump` 3 holds what rises above three times or falls below a third.

    `max_drop_of_count` 0.2 doubts a look with fewer than 80 % of the series of the last one.
    """

    max_jump: Decimal = Decimal(3)
    max_drop_of_count: Decimal = Decimal("0.2")

    @classmethod
    def from_table(cls, table: Table) -> GateSettings:
        """From `[gate]`, every key of which may be absent."""
        max_jump = table.decimal("max_jump", Decimal(3))
        max_drop_of_count = table.decimal("max_drop_of_count", Decimal("0.2"))
        table.close()
        if max_jump <= 1:
            raise table.error("max_jump", "must be a factor above 1, such as 3")
        if not 0 <= max_drop_of_count <= 1:
            raise table.error("max_drop_of_count", "must be a share from 0 to 1, such as 0.2")
        return cls(max_jump, max_drop_of_count)
