"""Every command explains itself."""

import subprocess
import sys
from typing import Final

import pytest
from typer.testing import CliRunner

from service.cli.main import app

_LOADED: Final = """
import sys
from service.cli.main import app
try:
    app(["import", "--help"])
finally:
    print(*sys.modules, file=sys.stderr)
"""


def help_of(*command: str) -> str:
    """Return what `--help` says, on a wide page, as one line."""
    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "300", "NO_COLOR": "1"})
    assert result.exit_code == 0
    return " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            ("import",),
            ("--batch", "--resume", "--from-start", "--rejects", "--allow-rejects"),
        ),
        (("policy", "apply"), ("--yes", "--dry-run")),
        (("export",), ("--to", "--dataset", "--pack", "--as-of", "--openings", "--id")),
    ],
    ids=" ".join,
)
def test_options_and_exit_statuses_are_told(
    command: tuple[str, ...], options: tuple[str, ...]
) -> None:
    """Every option, the scope the token needs, and what each exit status means."""
    said = help_of(*command)

    for option in (*options, "--url", "--token", "--client", "--secret", "FERMATA_TOKEN"):
        assert option in said
    assert "The token needs the scope fermata:" in said
    assert "Exit status: 0 " in said


def test_the_commands_are_listed() -> None:
    """`fermata --help` leads to each of them."""
    said = help_of()

    assert "import" in said
    assert "policy" in said
    assert "apply" in help_of("policy")


def test_a_command_that_is_none_leads_to_the_nearest() -> None:
    """Among all there are."""
    result = CliRunner().invoke(app, ["exprt"], env={"COLUMNS": "300", "NO_COLOR": "1"})
    assert result.exit_code == 2
    assert "Did you mean 'export'" in result.output


def test_a_command_brings_only_what_it_needs() -> None:
    """Whoever speaks to a service over HTTP does not wait until a service has loaded."""
    ended = subprocess.run(
        [sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True
    )
    assert "service.cli.importing" in ended.stderr.split()
    assert not {"service.app", "sqlalchemy", "numpy"} & set(ended.stderr.split())
