"""Which revisions of the schema this program knows: the names of its migrations."""

from __future__ import annotations

from pathlib import Path

_PACKAGED = Path(__file__).parent / "alembic"
SCRIPTS = _PACKAGED if _PACKAGED.is_dir() else Path(__file__).parents[1] / "alembic"
"""In a wheel the migrations are part of this package, in a checkout they stand beside it."""


def head() -> str:
    """The newest revision that this program knows, from the names of the migrations."""
    return known()[-1]


def known() -> list[str]:
    """All of them, oldest first."""
    return sorted(path.name.split("_")[0] for path in (SCRIPTS / "versions").glob("[0-9]*.py"))
