"""`fermata witness`: cosigns checkpoints of logs that only grow. Run it where the log is not."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer
import uvicorn
from rich.console import Console

from service.clock import SystemClock
from service.telemetry import configure_logging
from service.transparency.keys import KeyType, parse_signing_key, parse_verifier_key
from service.transparency.witness import Witness
from service.transparency.witness_http import witness_app

_console = Console(stderr=True, highlight=False)


def witness(
    *,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where it is asked, behind your own TLS.")
    ] = "127.0.0.1:8090",
    key: Annotated[
        Path,
        typer.Option(
            envvar="FERMATA_WITNESS_KEY",
            help="The file of its signing key: fermata log-key --new NAME.",
        ),
    ],
    origin: Annotated[
        list[str],
        typer.Option(metavar="KEY", help="A log's verifier key (fermata log-key); repeatable."),
    ],
    state: Annotated[
        Path, typer.Option(help="The folder in which it remembers; never restore it from a backup.")
    ],
) -> None:
    """Vouch that logs only grow (C2SP tlog-witness), until it is stopped.

    It keeps the newest checkpoint of each log it knows, on disk before it answers, and cosigns what
    is proven to go on from there. It needs no database and no secret of the log. Tell the service
    by FERMATA_LOG_WITNESSES: its address, a space, and the verifier key that it prints.
    """
    configure_logging("info")
    try:
        ours = parse_signing_key(key.read_text(encoding="utf-8").strip())
        logs = [parse_verifier_key(one) for one in origin]
        if any(one.type is not KeyType.LOG for one in logs):
            _fail("--origin takes the key of a log, of type 1; this one is a witness's")
        state.mkdir(parents=True, exist_ok=True)
        host, port = _address(listen)
    except (ValueError, OSError) as error:
        _fail(str(error))
    app = witness_app(Witness(ours, logs, state, SystemClock()))
    _console.print(f"witness: {ours.verifier(KeyType.WITNESS)}", soft_wrap=True)
    uvicorn.run(app, host=host, port=port, log_config=None, access_log=False)


def _address(listen: str) -> tuple[str, int]:
    host, found, port = listen.rpartition(":")
    if not found or not port.isdecimal():
        raise ValueError("--listen takes HOST:PORT, such as 127.0.0.1:8090")
    return host.strip("[]"), int(port)


def _fail(message: str) -> NoReturn:
    _console.print(f"[red]the witness cannot start:[/red] {message}", soft_wrap=True)
    raise typer.Exit(2)
