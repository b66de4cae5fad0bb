"""Every error that a user may see, each one sentence: what, where, what to do.

BreakevenError                 exit 1
├── ConfigError                exit 2  a setting, a flag or a file that the user can mend
├── DatabaseError              exit 1  the price book can't be opened or is not ours
│   └── DatabaseTooNew         exit 1  written by a newer breakeven
├── EvidenceLost               exit 1  a raw answer can't be kept, is missing or damaged
├── InexactAmount              exit 1  a price that the book can't hold exactly
├── SourceError                exit 1  a source gave no prices this time
│   ├── FetchFailed            exit 1  nothing usable arrived
│   ├── CredentialsMissing     exit 1  the source wants an account and has none
│   └── DocumentRefused        exit 1  a document arrived that holds no prices
│       └── PageChanged        exit 1  a page of ours, in a form that we can't read
├── UnknownInput               exit 1  a workload needs a price that the book doesn't have
├── MeasurementFailed          exit 1  a server of the user's own gave nothing to measure
└── DeliveryFailed             exit 1  a receiver didn't take a message
"""

from __future__ import annotations

from datetime import datetime


class BreakevenError(Exception):
    """The root: `str(error)` is one sentence fit for a terminal or an e-mail."""

    exit_code = 1


class ConfigError(BreakevenError):
    """A setting, a flag or a file that the user can mend."""

    exit_code = 2


class DatabaseError(BreakevenError):
    """The price book can't be opened, or is not one."""


class DatabaseTooNew(DatabaseError):
    """The price book was written by a newer breakeven than this one."""


class EvidenceLost(BreakevenError):
    """A raw answer can't be kept, is missing, or isn't any more what was stored."""


class InexactAmount(BreakevenError):
    """An amount with more than ten decimals, or too large: refused, never rounded."""


class SourceError(BreakevenError):
    """A source gave no prices this time; what is stored stays as it is."""


class FetchFailed(SourceError):
    """Nothing usable arrived; `retry_after` is the earliest time the server allows.

    `status`: the HTTP status of an answer without a document, None when there was no answer.
    """

    def __init__(
        self, message: str, *, retry_after: datetime | None = None, status: int | None = None
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.status = status


class CredentialsMissing(SourceError):
    """The source wants an account and there is none."""


class DocumentRefused(SourceError):
    """A document that holds no prices: a block page, a login form, an emptied export."""


class PageChanged(DocumentRefused):
    """A page of ours in a form we can't read: `source`, where on the page, what is strange."""

    def __init__(self, source: str, where: str, what: str) -> None:
        super().__init__(f"{source}, {where}: {what}")
        self.source = source
        self.where = where
        self.what = what


class UnknownInput(BreakevenError):
    """A workload needs a price that the book doesn't have at that time."""


class MeasurementFailed(BreakevenError):
    """A server of the user's own gave no answer that can be measured."""


class DeliveryFailed(BreakevenError):
    """A receiver didn't take a message.

    `permanent`: trying again can't help (a removed webhook, a refused recipient).
    `ambiguous`: it may have arrived all the same (no answer after the whole message was sent).
    `retry_after`: seconds that the receiver asked us to wait.
    """

    def __init__(
        self,
        message: str,
        *,
        permanent: bool = False,
        ambiguous: bool = False,
        retry_after: float | None = None,
        code: str = "",
    ) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.ambiguous = ambiguous
        self.retry_after = retry_after
        self.code = code
