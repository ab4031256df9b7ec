"""The service as `fermata serve` runs it, for as long as it is measured."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from client import Connection
from service.cli.local import free_port

SECRET = "bench"  # noqa: S105 - of a service that lives for a minute


@contextlib.contextmanager
def serving(**variables: str) -> Iterator[tuple[str, Path]]:
    """Run it over an embedded PostgreSQL; yield its address and the folder of its data."""
    folder = Path(tempfile.mkdtemp(prefix="fermata-bench-"))
    folder.chmod(0o755)
    port = free_port()
    command = [str(Path(sys.executable).with_name("fermata")), "serve", "--local-issuer"]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
        "FERMATA_DATA_DIR": str(folder),
        "FERMATA_LOCAL_ISSUER_SECRET": SECRET,
        "FERMATA_LOG_LEVEL": "error",
        **variables,
    }
    process = subprocess.Popen([*command, "--port", str(port)], env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url)
        yield url, folder
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_ready(url: str) -> None:
    """Return once the service answers."""
    with Connection(url) as probe:
        for _ in range(600):
            with contextlib.suppress(Exception):
                probe.get("/readyz")
                return
            time.sleep(0.1)
    sys.exit("the service did not start")
