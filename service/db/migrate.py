"""Bringing a database to this release's tables."""

from pathlib import Path

from alembic import command
from alembic.config import Config

_ROOT = Path(__file__).resolve().parents[2]


def config(url: str | None = None) -> Config:
    """Return Alembic's configuration for a database, or for `DATABASE_URL`."""
    settings = Config(str(_ROOT / "alembic.ini"))
    settings.attributes["url"] = url
    return settings


def upgrade(url: str) -> None:
    """Run every migration that the database has not had. It starts an event loop of its own."""
    command.upgrade(config(url), "head")
