"""Reading a document that a user has saved: what `breakeven read` does. Stores nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from breakeven.book_settings import EC2, known_sources
from breakeven.output import Format, Row, say, write_json, write_rows
from breakeven.price_view import QUOTES, series_words
from pricebook.errors import ConfigError, DocumentRefused
from pricebook.quote import Quote
from scraper import providers
from scraper.collect import decoded
from scraper.document import Document, Reading, reading_of

_FORMS = {
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".mdx": "markdown",
    ".json": "json",
    ".csv": "csv",
}


def read_document(source: str, file: Path, url: str, at: datetime | None, form: Format) -> int:
    """Print a document's quotes; the exit code: 0, 3 when some were set aside, 1 when refused."""
    if source not in known_sources():
        raise ConfigError(f"{source} is no source; known: {', '.join(known_sources())}")
    document = _document(file, url, at or datetime.now(UTC))
    try:
        found = _read(source, document)
    except DocumentRefused as error:
        if form.kind != "json":
            raise
        write_json({"refused": str(error)})
        return error.exit_code
    if form.kind == "json":
        write_json(
            {
                "source": source,
                "document": document.as_dict(),
                "quotes": [quote.as_dict() for quote in found.quotes],
                "set_aside": [aside.as_dict() for aside in found.set_aside],
            }
        )
    else:
        write_rows([_row(quote, form) for quote in found.quotes], QUOTES, form)
        for aside in found.set_aside:
            say(f"set aside: {aside.where}: {aside.reason} ({aside.text[:80]})")
    return 3 if found.set_aside else 0


def _read(source: str, document: Document) -> Reading:
    return _read_ec2(document) if source == EC2 else reading_of(providers.load(source), document)


def _read_ec2(document: Document) -> Reading:
    """An answer of GetProducts, as `aws pricing get-products` prints it: all that it holds."""
    from scraper.aws.query import read_answer
    from scraper.aws.settings import OPERATIONS, AwsSettings

    attributes = _attributes(document)
    if not attributes:
        raise DocumentRefused(f"{EC2}: {document.url} holds no price: its PriceList is empty")
    regions = sorted({one.get("regionCode", "") for one in attributes})
    if len(regions) != 1:
        raise DocumentRefused(
            f"{EC2}: {document.url} holds prices of {len(regions)} regions"
            f" ({', '.join(regions)}); save one region a file"
        )
    types = tuple(sorted({one.get("instanceType", "") for one in attributes}))
    settings = AwsSettings(regions=(*regions,), families=types, operating_systems=(*OPERATIONS,))
    return read_answer(document.text.encode(), settings, regions[0]).reading


def _attributes(document: Document) -> list[dict[str, str]]:
    try:
        entries = [json.loads(text) for text in json.loads(document.text)["PriceList"]]
        return [entry["product"]["attributes"] for entry in entries if "product" in entry]
    except (ValueError, TypeError, KeyError) as error:
        raise DocumentRefused(
            f"{EC2}: {document.url} is cut off, or no answer of GetProducts"
            f" ({type(error).__name__}: {error})"
        ) from None


def _document(file: Path, url: str, at: datetime) -> Document:
    """The saved document; its form follows from the file's suffix."""
    try:
        body = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file} can't be read: {error.strerror}") from None
    form = _FORMS.get(file.suffix.lower(), "text")
    return Document(url or file.as_posix(), form, decoded(body), at, sha256(body).hexdigest())


def _row(quote: Quote, form: Format) -> Row:
    row = quote.as_dict()
    if form.kind != "table":
        return row
    shown = {"price": row["amount"], "quoted": quote.quoted, "where": quote.where}
    return series_words(quote.series) | shown
