"""`fermata seal` says what is missing before it does anything."""

import pytest
from typer.testing import CliRunner

from service.cli.main import app

RUNNER = CliRunner()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--through", "October"], "write it as 2026-03"),
        ([], "set FERMATA_SEALED_DECISIONS"),
    ],
    ids=["month", "place"],
)
def test_what_is_not_set_up_is_said(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    """With exit status 2, and nothing is connected to."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    monkeypatch.delenv("FERMATA_SEALED_DECISIONS", raising=False)
    done = RUNNER.invoke(app, ["seal", *arguments])
    assert done.exit_code == 2
    assert said in done.output
