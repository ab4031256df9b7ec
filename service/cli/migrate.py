"""`fermata migrate`: the tables of this release."""

import typer
from rich.console import Console

from service.db.migrate import upgrade
from service.settings import Settings


def migrate() -> None:
    """Bring the database at DATABASE_URL to this release's tables. It is safe to repeat."""
    console = Console(stderr=True, highlight=False)
    url = Settings().database_url
    if url is None:
        console.print("set DATABASE_URL; the embedded database is migrated by `fermata serve`")
        raise typer.Exit(2)
    upgrade(url)
    console.print("the tables are up to date")
