"""`fermata export`: an audit export, asked of a running service and brought into a folder."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import file_digest
from pathlib import Path, PurePath
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn

from client import Connection
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
from service.exports.datasets import DATASETS
from service.exports.jobs import State
from service.exports.manifest import MANIFEST, NOTE
from service.exports.packs import PACKS
from service.exports.wanted import Format
from service.ledger.events import Json

_LOOKS_EVERY: Final = 0.5
_LONGEST_PAUSE: Final = 5.0
_LONGER: Final = 1.3
_LEDGER: Final = "events"

_console = Console(stderr=True, highlight=False)


def export(  # noqa: PLR0913 - Typer names each option
    to: Annotated[Path, typer.Option("--to", help="The folder to bring it into; made if need be.")],
    url: Url = HERE,
    token: Token = None,
    client: Client = "compliance",
    secret: Secret = None,
    *,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"What to export, repeatable: {', '.join(DATASETS)}. Without it and --pack, all "
            f"that takes the filters, but for {_LEDGER}.",
        ),
    ] = None,
    pack: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"A pack, repeatable: {', '.join(PACKS)}."),
    ] = None,
    format_: Annotated[Format, typer.Option("--format")] = Format.PARQUET,
    use: Annotated[str | None, typer.Option(help="Only this use and those beneath it.")] = None,
    recipient: Annotated[str | None, typer.Option(help="Only this recipient.")] = None,
    artist: Annotated[str | None, typer.Option(help="Only this artist.")] = None,
    content: Annotated[str | None, typer.Option(help="Only this content.")] = None,
    run: Annotated[str | None, typer.Option(help="Only this run.")] = None,
    since: Annotated[str | None, typer.Option(help="From this instant on.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this instant.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="As the service knew it at a revision or an instant.")
    ] = None,
    openings: Annotated[
        bool, typer.Option("--openings", help="With what proves each consent record offline.")
    ] = False,
    export_id: Annotated[
        str | None,
        typer.Option("--id", help="Bring one that was asked for before, and ask for nothing."),
    ] = None,
) -> None:
    """Ask for an audit export, wait until it is built, and bring it into a folder.

    Every file is held against its digest in the manifest; `fermata verify FOLDER` then finds out
    whether the log has signed all of it. Interrupted at any point, `--id` goes on where it was:
    files that are there already are not fetched again.

    The token needs the scope fermata:audit.

    Exit status: 0 the bundle is there; 1 it could not be built; 2 it could not be asked for, or
    not be fetched; 130 it was interrupted.
    """
    given = {
        "use": use,
        "recipient": recipient,
        "artist": artist,
        "content": content,
        "run": run,
        "since": since,
        "until": until,
    }
    filters = {name: value for name, value in given.items() if value is not None}
    body: Json = {
        "datasets": datasets_wanted(dataset, pack, filters),
        "packs": pack or [],
        "format": format_.value,
        "filters": filters,
        "as_of": int(as_of) if as_of is not None and as_of.isdecimal() else as_of,
        "openings": openings,
    }
    with ends_with_status(_console), connect(url, token, client, secret) as connection:
        asked = export_id or _asked(connection, body)
        with ends_with_status(
            _console, advice=f"Go on with: fermata export --id {asked} --to {to}"
        ):
            fetching = _Fetching(connection, asked, to)
            status = fetching.wait()
            if status["state"] != State.READY:
                _console.print(f"[red]there is no bundle:[/red] {_why(status)}", soft_wrap=True)
                raise typer.Exit(REFUSED)
            fetching.fetch(status)
    Console(highlight=False).print(_told(status, to), soft_wrap=True)


def datasets_wanted(
    named: Sequence[str] | None, packs: Sequence[str] | None, filters: Json
) -> list[str]:
    """Return the datasets that were named, or else all that can be narrowed so, but for entries."""
    if named or packs:
        return list(named or ())
    return [
        name
        for name, dataset in DATASETS.items()
        if name != _LEDGER and filters.keys() <= dataset.filters
    ]


def _asked(connection: Connection, body: Json) -> str:
    asked: str = connection.write("POST", "/v1/exports", body)["export_id"]
    return asked


@dataclass(frozen=True, slots=True)
class _Fetching:
    """One export on its way into a folder."""

    connection: Connection
    export_id: str
    folder: Path

    @property
    def _path(self) -> str:
        return f"/v1/exports/{self.export_id}"

    def wait(self) -> Json:
        """Return how it stands once nobody works on it any more."""
        pause = _LOOKS_EVERY
        with _shown("building", MofNCompleteColumn()) as show:
            while True:
                status = self.connection.get(self._path)
                progress = status["progress"]
                show(progress["rows"], progress["expected"])
                if status["state"] not in {State.QUEUED, State.RUNNING}:
                    return status
                time.sleep(pause)
                pause = min(pause * _LONGER, _LONGEST_PAUSE)

    def fetch(self, status: Json) -> None:
        """Bring every file. Raises CannotRun where one is not what the manifest says."""
        self.folder.mkdir(parents=True, exist_ok=True)
        files = [*files_of(status["manifest"])]
        total, done = sum(file["bytes"] for file in files), 0
        with _shown("fetching", DownloadColumn()) as show:
            for file in files:
                if not _is_there(self.folder / file["name"], file["sha256"]):
                    self._file(file["name"], file["sha256"], partial(_added, show, done, total))
                done += file["bytes"]
                show(done, total)
        for name in (MANIFEST, NOTE):
            self._file(name, None, lambda _: None)

    def _file(self, name: str, sha256: str | None, on_bytes: Callable[[int], None]) -> None:
        """Bring one file: it has its name once it is there whole."""
        unfinished = self.folder / f".{name}.unfinished"
        so_far = 0

        def count(more: int) -> None:
            nonlocal so_far
            so_far += more
            on_bytes(so_far)

        self.connection.download(f"{self._path}/files/{name}", unfinished, on_bytes=count)
        if sha256 is not None and not _is_there(unfinished, sha256):
            raise CannotRun(f"{name} is not the file that the manifest names: fetch it once more")
        unfinished.replace(self.folder / name)


def _added(show: Callable[[int, int | None], None], before: int, total: int, more: int) -> None:
    show(before + more, total)


def files_of(manifest: Json) -> Iterator[Json]:
    """Yield every file there is. Raises CannotRun for a name that would lead out of the folder."""
    files = [file for part in (*manifest["datasets"], *manifest["packs"]) for file in part["files"]]
    for file in (*files, manifest["readme"]):
        name = file["name"]
        if not name or name != PurePath(name).name or name.startswith("."):
            raise CannotRun(f"the manifest names a file that no bundle has: {name!r}")
        yield file


def _is_there(path: Path, sha256: str) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest() == sha256


@contextmanager
def _shown(what: str, column: Any) -> Iterator[Callable[[int, int | None], None]]:
    """Show how far it is on a terminal, and nothing elsewhere."""
    hidden = not _console.is_terminal
    columns = (TextColumn(what), BarColumn(), column)
    with Progress(*columns, console=_console, disable=hidden, transient=True) as progress:
        task = progress.add_task(what, total=None)

        def show(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        yield show


def _why(status: Json) -> str:
    return status["error"] or f"the export is {status['state']}: ask for a new one"


def _told(status: Json, folder: Path) -> str:
    manifest = status["manifest"]
    rows = ", ".join(f"{one['name']} {one['rows']:,}" for one in manifest["datasets"])
    packs = ", ".join(one["name"] for one in manifest["packs"])
    what = "; ".join(part for part in (rows, packs) if part)
    return (
        f"{manifest['export_id']}: revision {manifest['revision']}, as of {manifest['as_of']}\n"
        f"{what}\nin {folder}; what it is and what it lacks is in {folder / 'README.txt'}"
    )
