"""`fermata demo`: the main story against a service of its own, from nothing, in about a minute."""

import random
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import quantiles
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI
from rich.console import Console
from rich.markup import escape

from client import Problem
from service.catalog.sources.discover import NoCatalogError, count_hint, open_catalog
from service.catalog.sources.generated import generated_catalog
from service.catalog.sources.track import BadRow, Track
from service.cli.import_run import run_import
from service.cli.local import app_for, database, free_port, local_issuer
from service.cli.policy import apply_folder
from service.cli.policy_folder import FolderWrong
from service.cli.policy_plan import PlanRefused
from service.cli.story import SINGLE_CHECKS, WINDOW_SECONDS, Cast, Story, Surprise, play
from service.clock import SystemClock
from service.db.migrate import upgrade
from service.domain.instant import SECOND
from service.settings import Settings
from service.telemetry import configure_logging

LAUNCH_TERMS = Path(__file__).resolve().parents[2] / "examples" / "launch-terms"


def demo(
    catalog: Annotated[
        Path | None, typer.Option(help="A folder of CSV files and DDEX messages to play with.")
    ] = None,
) -> None:
    """Play the main story: launch, notice, window, a no, a label, a duet, an explanation.

    It starts a service and a database of its own on this machine, and leaves nothing behind. Exit
    status 0 says that every answer was what the rules promise.
    """
    console = Console(highlight=False, soft_wrap=True)
    try:
        rows = None if catalog is None else open_catalog(catalog)
        with _stage() as (url, secret):
            summary = _play(console, url, secret, rows, catalog)
    except (Surprise, Problem, NoCatalogError, FolderWrong, PlanRefused) as error:
        console.print(f"\n[red]The demo ended in a surprise:[/red] {escape(str(error))}")
        raise typer.Exit(1) from None
    console.print(f"\n[bold green]{summary}[/bold green]")


def _play(
    console: Console,
    url: str,
    secret: str,
    rows: Iterable[Track | BadRow] | None,
    catalog: Path | None,
) -> str:
    story, cast = Story(url, secret, console, SystemClock()), Cast()
    with story.scene("The ledger is opened with its charter, and the launch terms are published"):
        charter = {"platform": "Example Sounds", "min_notice_period": f"PT{WINDOW_SECONDS}S"}
        story.policy_desk.write("POST", "/v1/charter", charter)
        story.tell(f"no window is ever shorter than {WINDOW_SECONDS} seconds (in life: 30 days)")
        for line in apply_folder(LAUNCH_TERMS / "uses", story.policy_desk):
            story.tell(escape(line))
    with story.scene("The catalogue is loaded"):
        found = rows or generated_catalog(random.Random(1))  # noqa: S311 - made-up music
        if catalog is None:
            story.tell("it is a generated one; `make demo CATALOG=DIR` uses yours")
        else:
            story.tell(f"from {escape(str(catalog))}, about {count_hint(catalog) or 0:,} rows")
        report = run_import(cast.watch(found), story.platform, batch=10_000)
        story.tell(escape(str(report)))
    play(story, cast)
    return _summary(story)


def _summary(story: Story) -> str:
    tally = story.tally
    cuts = quantiles(tally.took[-SINGLE_CHECKS:], n=100)
    return (
        f"{len(tally.took):,} strong checks of {tally.content:,} tracks in "
        f"{sum(tally.took) / SECOND:.1f} s, each logged before it was answered; "
        f"one track: {cuts[49] / 1e3:.1f} ms p50, {cuts[98] / 1e3:.1f} ms p99"
    )


@contextmanager
def _stage() -> Iterator[tuple[str, str]]:
    """Run a service on loopback, and yield its address and the development clients' secret."""
    configure_logging("error")
    folder = Path(tempfile.mkdtemp(prefix="fermata-demo-"))
    folder.chmod(0o755)  # the embedded server's own account has to reach its data below
    settings = Settings(database_url=None, issuer=None, data_dir=folder, local_issuer=True)
    port = free_port()
    try:
        with database(settings) as where:
            upgrade(where.url)
            issuer, secret = local_issuer(settings, where.data_dir, port)
            with _served(app_for(settings, where, issuer), port):
                yield f"http://127.0.0.1:{port}", secret
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _served(app: FastAPI, port: int) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, name="fermata-demo")
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                message = "the service did not start"
                raise Surprise(message)
            thread.join(0.02)
        yield
    finally:
        server.should_exit = True
        thread.join()
