"""benchmarks.ratios: the quick way through time gives what the plain one gives."""

from __future__ import annotations

import pytest

from benchmarks import ratios


def test_a_small_run_checks_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every shipped workload's moments agree with `evaluate`, or the run ends with a sentence."""
    monkeypatch.setattr("sys.argv", ["ratios", "--workloads", "6", "--changes", "250"])
    ratios.main()
    shown = capsys.readouterr().out
    assert shown.startswith("6 workloads, ")
    assert "checked against evaluate: " in shown
