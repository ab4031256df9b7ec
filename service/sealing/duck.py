"""DuckDB as it is used here: over given files, in bounded memory, and without a network."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb


@contextmanager
def open_duckdb(scratch: Path, *, memory: str, threads: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open one in memory, until the block ends. What does not fit lies in `scratch` meanwhile.

    It downloads no extension and nobody can tell it to. Where queries read files they say
    `hive_partitioning = false`: a folder called `client=x` would be taken for a column otherwise.
    """
    with duckdb.connect(
        ":memory:",
        config={
            "memory_limit": memory,
            "threads": threads,
            "temp_directory": str(scratch / "duckdb"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
        },
    ) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET lock_configuration = true")
        yield connection
