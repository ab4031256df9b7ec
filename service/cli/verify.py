"""`fermata verify`: finds out whether anything was changed behind the ledger's back."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final, NoReturn

import asyncpg
import msgspec
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli.verify_bundle import verified_bundle
from service.cli.verify_database import Asked, verified_database
from service.db.embedded import EmbeddedPostgresError
from service.ledger.events import LedgerBroken
from service.running import NotConfigured
from service.settings import Settings
from service.transparency.kept import KeptBroken
from service.verify.claims import Placed
from service.verify.fetching import PublicLog
from service.verify.finding import CannotLook, Report
from service.verify.keeping import kept_checkpoint
from service.verify.notes import Key, Unreadable, read_key
from service.verify.published import verify_published

_WRONG: Final = 1
_CANNOT_LOOK: Final = 2
_SHOWN: Final = 50
"""Findings that people are shown; --json has all that are listed."""

_console = Console(stderr=True, highlight=False)

Advance = Callable[[int, int], None]


def verify(  # noqa: PLR0913 - each is an option
    bundle: Annotated[
        Path | None, typer.Argument(help="An export: its folder, or a zip or tar of it.")
    ] = None,
    *,
    url: Annotated[
        str | None, typer.Option(help="A public log instead: https://music.example/log.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(help="A database instead; the service's own (DATABASE_URL), unless said."),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A checkpoint that was kept elsewhere; repeatable."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="A verifier key of the log, or of a witness; repeatable."),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --url: keep its checkpoint here.")
    ] = None,
    sealed: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="Where sealed decisions are: a folder or a URL."),
    ] = None,
    decisions: Annotated[
        bool, typer.Option(help="Recompute the decisions of a database or an export, too.")
    ] = True,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="How many processes look at a database.")
    ] = 2,
    record: Annotated[
        bool, typer.Option("--record", help="Write the outcome into the database, for /audit.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as JSON, and no progress.")
    ] = False,
) -> None:
    """Find out whether a database, a public log or an export is still what it was.

    It reads from the bytes of the entries up and shares no code with the service but the hash
    functions and the rules. Give it checkpoints that were kept elsewhere: whoever rewrote
    everything in the database cannot have rewritten those. For a database it takes the service's
    settings; without the key encryption key, what artists said is not looked at, and it says so.
    Exit status: 0 all of it holds; 1 something is wrong, and the first wrong revision is named;
    2 it could not look.
    """
    try:
        _require_one(bundle, url, database)
        keys = [read_key(one) for one in key or ()]
        kept = [(path.read_bytes(), str(path)) for path in checkpoint or ()]
        with _progress(hidden=as_json) as advance:
            if bundle is not None:
                report = verified_bundle(
                    bundle, keys, _kept(kept, keys), decisions=decisions, advance=advance
                )
            elif url is not None:
                report = asyncio.run(_published(url, keys, kept, keep, advance))
            else:
                asked = Asked(database, keys, kept, sealed, processes, decisions, record)
                report = verified_database(Settings(), asked, advance)
    except ValidationError as error:
        _fail("; ".join(str(one["msg"]) for one in error.errors()))
    except Unreadable as error:
        _fail(f"--key: {error}")
    except (CannotLook, EmbeddedPostgresError, KeptBroken, NotConfigured, ValueError) as error:
        _fail(str(error))
    except (OSError, LedgerBroken, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        _fail(f"{type(error).__name__}: {error}")
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(report.as_json())).decode())
    else:
        _tell(report)
    raise typer.Exit(0 if report.holds else _WRONG)


def _require_one(bundle: Path | None, url: str | None, database: str | None) -> None:
    if sum(one is not None for one in (bundle, url, database)) > 1:
        raise ValueError("an export, --url and --database are three things: name one of them")


def _kept(files: Sequence[tuple[bytes, str]], keys: Sequence[Key]) -> list[Placed]:
    return [kept_checkpoint(encoded, where, keys) for encoded, where in files]


async def _published(
    url: str,
    keys: Sequence[Key],
    kept: Sequence[tuple[bytes, str]],
    keep: Path | None,
    advance: Advance,
) -> Report:
    async with PublicLog(url) as log:
        report, note = await verify_published(log, keys, _kept(kept, keys), advance=advance)
    if not keys:
        _console.print(
            "[bold yellow]No key was given: whoever answers at this address may have signed "
            "anything.[/bold yellow] Ask the platform for its log's key by another way, and give "
            "it with --key.",
            soft_wrap=True,
        )
    if keep is not None and report.holds:
        await asyncio.to_thread(keep.write_text, note, encoding="utf-8")
    return report


@contextmanager
def _progress(*, hidden: bool) -> Iterator[Advance]:
    """Show how far it is, to people only: where standard error is a terminal."""
    columns = (TextColumn("verify"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    disable = hidden or not sys.stderr.isatty()
    with Progress(*columns, console=_console, disable=disable, transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


def _tell(report: Report) -> None:
    looked = ", ".join(f"{number:,} {what}" for what, number in sorted(report.looked.items()))
    typer.echo(f"{report.size:,} events, root {report.root.hex()}")
    typer.echo(f"looked at: {looked}")
    for what, number in sorted(report.unseen.items()):
        typer.echo(f"not looked at: {what} ({number:,})")
    if report.holds:
        typer.echo("everything that was looked at holds")
        return
    number = len(report.findings) + report.untold
    first = "" if report.first_wrong is None else f", the first at revision {report.first_wrong:,}"
    typer.echo(f"WRONG: {number:,} findings{first}")
    for one in report.findings[:_SHOWN]:
        at = "" if one.revision is None else f"revision {one.revision:,}, "
        typer.echo(f"  {at}{_plain(one.where)}: {_plain(one.says)} [{one.what.value}]")
    if number > _SHOWN:
        typer.echo(f"  … and {number - min(_SHOWN, len(report.findings)):,} more: see --json")


def _plain(text: str) -> str:
    """Return a text that cannot steer a terminal: parts of it may be whoever's is looked at."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def _fail(message: str) -> NoReturn:
    _console.print(f"[red]could not look:[/red] {escape(_plain(message))}", soft_wrap=True)
    raise typer.Exit(_CANNOT_LOOK)
