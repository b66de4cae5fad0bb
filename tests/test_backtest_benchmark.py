"""benchmarks.backtest: the events of a whole process are those of a naive walk."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from benchmarks import backtest


def test_a_small_run_checks_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every kind of rule, a break-even among them, or the run ends with a sentence."""
    words = ["--workloads", "2", "--changes", "60", "--runs", "1"]
    monkeypatch.setattr("sys.argv", ["backtest", *words])
    backtest.main()
    shown = capsys.readouterr().out
    assert "events agree with the naive walk: " in shown
    assert "7 rules on 2 workloads, 120 price changes in three years" in shown
    assert "| import boto3 | " in shown


def test_a_wrong_event_ends_it() -> None:
    """What the naive walk doesn't find, and what it finds beside, is named."""
    made = [backtest.Prices([(0, Decimal(1))], [(0, Decimal(1))], [(0, Decimal(1))])]
    with pytest.raises(SystemExit, match="there, and not told: .*'cheaper 0', 'initial'"):
        backtest._check(made, [])
    dear = [replace(made[0], machine=[(0, Decimal("4.5"))])]
    row = {"at": "x", "rule": "r", "kind": "fired", "ratio": None, "state": "firing"}
    with pytest.raises(SystemExit, match="told, and not there: .*'r', 'fired', 'firing'"):
        backtest._check(dear, [row])
