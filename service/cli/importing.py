"""`fermata import`: a catalogue of any size, into a running service."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from client import Connection, Problem
from service.api.schemas.types import MOST_ROWS
from service.catalog.sources.discover import NoCatalogError, count_hint, open_catalog
from service.cli.bookmark import Bookmark
from service.cli.import_run import CatalogChanged, ImportReport, run_import
from service.cli.rejects import Rejects, RejectsFile
from service.cli.remote import (
    HERE,
    REFUSED,
    CannotRun,
    Client,
    Secret,
    Token,
    Url,
    connect,
    ends_with_status,
)

__all__ = ["ImportReport", "import_catalog", "run_import"]

_LINES_IN_ALL: Final = 10
_LINE_EVERY: Final = 100_000
_NOT_FOUND: Final = 404
_GO_ON: Final = "The same command goes on where this ended."


def import_catalog(  # noqa: PLR0913 - Typer names each option
    path: Annotated[
        Path,
        typer.Argument(
            help="A CSV file, a DDEX ERN 4.3 message, a folder with releases.csv and tracks.csv, "
            "or a folder that holds any of them."
        ),
    ],
    url: Url = HERE,
    token: Token = None,
    client: Client = "platform",
    secret: Secret = None,
    *,
    batch: Annotated[
        int, typer.Option(min=1, max=MOST_ROWS, help="Rows in one request.")
    ] = MOST_ROWS,
    rejects: Annotated[
        Path | None, typer.Option(help="Write refused rows to this CSV file, with the reason.")
    ] = None,
    allow_rejects: Annotated[
        bool, typer.Option("--allow-rejects", help="Exit with 0 even if rows were refused.")
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="The file that remembers how far an interrupted import came; one of your state "
            "folder's unless said."
        ),
    ] = None,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Forget an interrupted import.")
    ] = False,
) -> None:
    """Bring a catalogue in: register its artists, put its tracks.

    Rows that cannot be read or that the service refuses are told by file and
    line with the reason, and the import goes on. Killed or interrupted at any
    point, the same command goes on where it was; a second import of the same
    catalogue puts nothing.

    The token needs the scope fermata:catalog.

    Exit status: 0 everything is in; 1 some rows were refused, the others are
    in; 2 it could not run, or not to its end; 130 it was interrupted.
    """
    console = Console(stderr=True, highlight=False)
    with ends_with_status(console), connect(url, token, client, secret) as connection:
        about = (str(path.resolve()), url, _ledger(connection), str(rejects and rejects.resolve()))
        bookmark = Bookmark(resume or Bookmark.default_path(*about), *about)
        if from_start or not RejectsFile.holds(rejects, bookmark.place.rejects_bytes):
            bookmark.start_over()
        report = _Import(path, connection, batch, rejects, bookmark, console).run()
    Console(highlight=False).print(str(report), soft_wrap=True)
    if report.refused and not allow_rejects:
        raise typer.Exit(REFUSED)


def _ledger(connection: Connection) -> str:
    """What tells the service's ledger from any other. Raises CannotRun where it is not opened."""
    try:
        return str(connection.get("/v1/charter")["recorded_at"])
    except Problem as problem:
        if problem.status != _NOT_FOUND:
            raise
        message = "the ledger is not opened: publish the charter first (fermata policy apply DIR)"
        raise CannotRun(message) from None


@dataclass(frozen=True, slots=True)
class _Import:
    """One import and everything it was told."""

    path: Path
    connection: Connection
    batch: int
    rejects: Path | None
    bookmark: Bookmark
    console: Console

    def run(self) -> ImportReport:
        """Import what is left to import, or everything where the catalogue has changed."""
        try:
            return self._run()
        except CatalogChanged:
            self.console.print("the catalogue has changed since: beginning at its first row")
            self.bookmark.start_over()
            return self._run()

    def _run(self) -> ImportReport:
        place = self.bookmark.place
        try:
            rows = open_catalog(self.path)
        except NoCatalogError as error:
            raise CannotRun(str(error)) from None
        if place.rows:
            message = f"an import was interrupted: going on after row {place.rows:,}"
            self.console.print(message, soft_wrap=True)
        with self._rejects() as rejects, _shown(self.console, count_hint(self.path)) as progress:

            def keep() -> None:
                place.rejects_bytes = rejects.size()
                self.bookmark.keep()

            keep()  # so that what is under way when it is killed is recognised as well
            with ends_with_status(self.console, advice=_GO_ON):
                report = run_import(
                    rows,
                    self.connection,
                    batch=self.batch,
                    progress=progress,
                    on_reject=rejects,
                    place=place,
                    on_place=keep,
                )
        self.bookmark.remove()
        return report

    @contextmanager
    def _rejects(self) -> Iterator[Rejects]:
        if self.rejects is None:
            yield Rejects(self.console, None)
            return
        with closing(RejectsFile(self.rejects, self.bookmark.place.rejects_bytes)) as file:
            yield Rejects(self.console, file)


@contextmanager
def _shown(console: Console, expected: int | None) -> Iterator[Callable[[int], None]]:
    """Show how far it is: a bar on a terminal, elsewhere a line now and then."""
    if not console.is_terminal:
        yield _Lines(console, expected)
        return
    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("import", total=expected)
        yield partial(progress.advance, task)


class _Lines:
    """Progress for logs: about ten lines in all where the size is known."""

    def __init__(self, console: Console, expected: int | None) -> None:
        self._console = console
        self._of = f" of about {expected:,}" if expected else ""
        self._every = max(1, expected // _LINES_IN_ALL) if expected else _LINE_EVERY
        self._done = 0

    def __call__(self, rows: int) -> None:
        before, self._done = self._done, self._done + rows
        if before // self._every != self._done // self._every:
            self._console.print(f"{self._done:,}{self._of} rows", soft_wrap=True)
