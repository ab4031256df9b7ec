"""Bringing a database to this release's tables."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from service.db.engine import connect

_ROOT = Path(__file__).resolve().parents[2]


def config(url: str | None = None) -> Config:
    """Return Alembic's configuration for a database, or for `DATABASE_URL`."""
    settings = Config(str(_ROOT / "alembic.ini"))
    settings.attributes["url"] = url
    return settings


async def needs_upgrade(url: str) -> bool:
    """Tell whether the database lacks a migration of this release.

    One that a newer release has migrated further is fine: migrations are safe beside the release
    before them.
    """
    script = ScriptDirectory.from_config(config())
    known = {revision.revision for revision in script.walk_revisions()}
    connection = await connect(url)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return True
        current = await connection.fetchval("SELECT version_num FROM alembic_version")
    finally:
        await connection.close()
    return current is None or (current in known and current != script.get_current_head())


def upgrade(url: str) -> None:
    """Run every migration that the database has not had. It starts an event loop of its own."""
    command.upgrade(config(url), "head")
