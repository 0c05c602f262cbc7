"""The `merit` command, run in the tests' own process."""

import pytest

from scripts.cli import main


def run_merit(
    words: tuple[object, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, str]:
    """Exit status, values and diagnostics."""
    monkeypatch.setattr("sys.argv", ["merit", *map(str, words)])
    status = 0
    try:
        main()
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err
