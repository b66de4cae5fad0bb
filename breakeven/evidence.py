"""Where a price was read: its cell, the document that holds it, and the bytes that came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from breakeven.app import App
from breakeven.output import Format, Row, Shape, say, write_rows
from breakeven.price_question import nothing_found
from breakeven.price_view import PRICES, price_row
from pricebook import book
from pricebook.errors import ConfigError, EvidenceLost
from pricebook.quote import Price, isoformat
from pricebook.runs import Fetched, Origin, origin_of
from pricebook.schema import reading
from pricebook.series import Filter
from scraper.evidence import Evidence

EVIDENCE = Shape(
    PRICES.columns,
    (*PRICES.fields, "quoted", "printed_unit", "where", "document", "kept", "says"),
)
DONE, NOTHING, PARTLY = 0, 1, 3

_ENDINGS = {"markdown": "md", "text": "txt"}


@dataclass(frozen=True, slots=True)
class Proof:
    """A price in force and what it was read from; `says` is why its document can't be shown.

    `content` is the document byte by byte, whose SHA-256 was checked.
    """

    price: Price
    origin: Origin
    content: bytes | None
    says: str


def show_evidence(
    app: App,
    product: str,
    where: Mapping[str, str],
    at: datetime | None,
    out: Path | None,
    form: Format,
) -> int:
    """Print the evidence of a product's prices in force, and write the documents to `out`.

    `out` is a file, or a folder that exists. Gives the exit code: 1 when every document is lost or
    none was there to be written, 3 when some are lost.
    """
    with reading(app.engine) as connection:
        prices = _in_force(connection, product, where, at or app.now())
        origins = [(price, origin_of(connection, price)) for price in prices]
        empty = "" if prices else nothing_found(connection, product, where)
    proofs = list(_proofs(origins, app.settings.evidence_store()))
    write_rows([_row(one, form) for one in proofs], EVIDENCE, form, empty=empty)
    documents = {one.origin.fetched: one.content for one in proofs if one.origin.fetched}
    kept = {fetched: content for fetched, content in documents.items() if content is not None}
    if out:
        _write(out, kept)
    if not kept:
        return NOTHING if documents or out else DONE
    return PARTLY if len(kept) < len(documents) else DONE


def _in_force(
    connection: Connection, product: str, where: Mapping[str, str], at: datetime
) -> list[Price]:
    """Of the product of that exact name; where there is none, of names that contain it."""
    exact = book.as_of(connection, at, where=Filter(product=product, **where))
    return exact or book.as_of(connection, at, where=Filter(pattern=product, **where))


def _proofs(origins: Iterable[tuple[Price, Origin]], store: Evidence) -> Iterator[Proof]:
    content_of = cache(partial(_content, store))
    for price, origin in origins:
        if origin.fetched is None:
            yield Proof(price, origin, None, _undocumented(price))
        else:
            yield Proof(price, origin, *content_of(origin.fetched.sha256))


def _content(store: Evidence, digest: str) -> tuple[bytes | None, str]:
    try:
        return store.get(digest), ""
    except EvidenceLost as error:
        return None, f"the document is lost: {error}"


def _undocumented(price: Price) -> str:
    if price.basis == book.IMPORTED:
        return f"imported, no document was read: {price.where}"
    return "no document is known: accepted by hand after a look at several"


def _row(proof: Proof, form: Format) -> Row:
    price, fetched = proof.price, proof.origin.fetched
    if form.kind == "table":
        return {**price_row(price, form), "below": list(_below(proof))}
    return price.as_dict() | {
        "quoted": price.quoted,
        "printed_unit": proof.origin.printed_unit,
        "where": price.where,
        "document": fetched and _document(fetched),
        "kept": proof.content is not None,
        "says": proof.says,
    }


def _document(fetched: Fetched) -> dict[str, Any]:
    return {
        "url": fetched.url,
        "sha256": fetched.sha256,
        "at": isoformat(fetched.at),
        "form": fetched.form,
        "bytes": fetched.bytes,
    }


def _below(proof: Proof) -> Iterator[str]:
    price, fetched = proof.price, proof.origin.fetched
    if fetched:
        unit = f", {proof.origin.printed_unit}" if proof.origin.printed_unit else ""
        yield f'"{price.quoted}"{unit}, at {price.where}'
        yield f"{fetched.url} ({fetched.form}), read {isoformat(fetched.at)}"
        yield f"sha256 {fetched.sha256}, {fetched.bytes:,} bytes"
    if proof.says:
        yield proof.says


def _write(out: Path, kept: Mapping[Fetched, bytes]) -> None:
    """The documents as they came, each once: in a folder by their SHA-256."""
    contents = {_name(fetched): content for fetched, content in kept.items()}
    if len(contents) > 1 and not out.is_dir():
        raise ConfigError(f"--out {out}: these are {len(contents)} documents; name a folder")
    for name, content in contents.items():
        file = out / name if out.is_dir() else out
        file.write_bytes(content)
        say(f"wrote {file}")


def _name(fetched: Fetched) -> str:
    return f"{fetched.sha256}.{_ENDINGS.get(fetched.form, fetched.form)}"
