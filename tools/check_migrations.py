"""Hold the migrations to the models, on an empty PostgreSQL of its own.

    python tools/check_migrations.py

There is one head, it can be reached from nothing, and what is there then is what the models say:
Alembic would generate no further migration.
"""

import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from service.db.embedded import EmbeddedPostgres
from service.db.migrate import config


def main() -> int:
    """Check all three; 0 when they hold."""
    heads = ScriptDirectory.from_config(config()).get_heads()
    if len(heads) != 1:
        print(f"The migrations have {len(heads)} heads ({', '.join(heads)}); give them one.")
        return 1
    folder = Path(tempfile.mkdtemp(prefix="fermata-migrations-"))
    try:
        with EmbeddedPostgres(folder, {"fsync": "off"}) as server:
            said = io.StringIO()
            settings = config(server.url)
            settings.stdout = said
            with contextlib.redirect_stdout(said):
                command.upgrade(settings, "head")
                command.check(settings)
    except CommandError as error:
        print(f"The models and the migrations differ: {error}")
        print("Make a migration: alembic revision --autogenerate -m 'what it does'")
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"Migrations: one head, {heads[0]}, and the models agree with it.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
