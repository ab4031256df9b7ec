"""Where the `fermata` command begins."""

import gc


def main() -> None:
    """Run the command.

    What is imported stays, so nothing is collected meanwhile: walking it again and again would take
    a quarter of the time until the command begins.
    """
    gc.disable()
    from service.cli.main import app  # noqa: PLC0415 - not before the line above

    gc.enable()
    app()
