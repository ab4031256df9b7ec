"""The `fermata` command: one subcommand a file, imported when it is asked for.

Some need the whole service and some hardly anything: whoever asks for one does not wait for all.
"""

import gc
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_command
from typing_extensions import override

COMMANDS: Final = {
    "serve": "service.cli.serve:serve",
    "worker": "service.cli.worker:worker",
    "snapshot": "service.cli.snapshot:snapshot",
    "seal": "service.cli.seal:seal",
    "migrate": "service.cli.migrate:migrate",
    "demo": "service.cli.demo:demo",
    "import": "service.cli.importing:import_catalog",
    "policy": "service.cli.policy:app",
    "export": "service.cli.export:export",
    "replay": "service.cli.replay:replay",
    "verify": "service.cli.verify:verify",
    "log-key": "service.cli.log_key:log_key",
    "witness": "service.cli.witness:witness",
    "openapi": "service.cli.openapi:openapi",
}
"""Each command, and what it runs."""


class _Commands(TyperGroup):
    """A group that knows the names of its commands, and each command once it is asked for."""

    @override
    def list_commands(self, ctx: object) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: object, cmd_name: str) -> Any:
        # Of a name that is none, the nearest is suggested: then all have to be there.
        for name in [cmd_name] if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                self.add_command(_loaded(name), name)
        return self.commands.get(cmd_name)


app = typer.Typer(
    cls=_Commands, name="fermata", no_args_is_help=True, pretty_exceptions_show_locals=False
)


@app.callback()
def _fermata() -> None:
    """Consent permissioning: nothing plays on until the artist has had their say."""


def _loaded(name: str) -> Any:
    module, _, attribute = COMMANDS[name].partition(":")
    # What is imported stays: to walk it again and again would take a quarter of the time.
    gc.disable()
    try:
        found: typer.Typer | Callable[..., object] = getattr(import_module(module), attribute)
    finally:
        gc.enable()
    if isinstance(found, typer.Typer):
        return get_command(found)
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return get_command(alone)
