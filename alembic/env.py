"""Alembic's entry: one head, the models as they are, the database it is told."""

import asyncio
from functools import partial

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from service.db.engine import connect
from service.db.tables import metadata
from service.settings import Settings


def _configure(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_schemas=True,
        include_name=_ours,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    if kind == "table" and name is not None and name.startswith("decisions_"):
        return False  # a month of a table, made as it comes
    return kind != "schema" or name in {None, "private"}


async def _online(url: str) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=partial(connect, url, writable=True),
        poolclass=NullPool,
    )
    async with engine.connect() as connection:
        await connection.run_sync(_configure)
        await connection.commit()
    await engine.dispose()


def _run() -> None:
    given = context.config.attributes.get("connection")
    if given is not None:
        _configure(given)
        return
    url = context.config.attributes.get("url") or Settings().database_url
    if url is None:
        message = "set DATABASE_URL to the database that shall be migrated"
        raise SystemExit(message)
    if context.is_offline_mode():
        context.configure(url=url, target_metadata=metadata, literal_binds=True)
        with context.begin_transaction():
            context.run_migrations()
        return
    asyncio.run(_online(url))


_run()
