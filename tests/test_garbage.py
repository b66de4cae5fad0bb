"""The garbage collector rests while prices are made, and not a moment longer."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from pricebook.garbage import nothing_collected


@pytest.fixture(autouse=True)
def collector_as_it_was() -> Iterator[None]:
    """Other tests have it as they found it."""
    was_on = gc.isenabled()
    yield
    (gc.enable if was_on else gc.disable)()


@pytest.mark.parametrize("was_on", [True, False])
def test_it_rests_inside_and_is_afterwards_what_it_was(was_on: bool) -> None:
    """Whoever had switched it off finds it off."""
    (gc.enable if was_on else gc.disable)()
    with nothing_collected():
        assert not gc.isenabled()

    assert was_on == gc.isenabled()


def test_it_is_on_again_after_an_error() -> None:
    """A look that fails doesn't leave the daemon without it."""
    gc.enable()
    with pytest.raises(KeyError), nothing_collected():
        raise KeyError

    assert gc.isenabled()


def test_one_within_the_other_changes_nothing() -> None:
    """Reading a price list while a run is entered."""
    gc.enable()
    with nothing_collected():
        with nothing_collected():
            pass
        assert not gc.isenabled()

    assert gc.isenabled()
