"""docs/checks.md says what is: its commands run as written, its limits are the service's."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from service.api.arrow_limits import MOST_MESSAGES
from service.api.check_arrow import MOST_IN_ARROW
from service.api.check_ids import MOST_IN_JSON
from service.api.check_samples import SAMPLES
from service.decisions import capacity
from service.decisions.check import MOST_LOOKED_UP
from service.settings import Settings
from tests.serving import SECRET, RunningService, running_service

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (ROOT / "docs" / "checks.md").read_text(encoding="utf-8")
COMMANDS: Final = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PROGRAMS: Final = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
USE: Final = "discovery.recommendation"
SHOWN: Final = "print('permitted', results.num_rows, results['permitted'].to_pylist())\n"


def test_what_the_contract_shows_is_what_the_page_shows() -> None:
    """Whoever copies from one has what the other's tests ran."""
    for sample in SAMPLES:
        assert sample["source"] in PAGE


@pytest.mark.timeout(120)
def test_its_commands_run_as_written(database_url: str) -> None:
    """In their order, in a shell; the programs with the token that the first command fetched."""
    with running_service(database_url) as service:
        begin(service)
        here = {"FERMATA_LOCAL_ISSUER_SECRET": SECRET, "PYTHONPATH": str(ROOT)}
        script = "".join(COMMANDS)
        for number, program in enumerate(PROGRAMS):
            script += f"\n{sys.executable} - <<'PROGRAM{number}'\n{program}{SHOWN}PROGRAM{number}\n"
        finished = subprocess.run(
            ["bash", "-ec", script.replace("http://127.0.0.1:8080", service.url)],
            cwd=ROOT,
            env=os.environ | here,
            capture_output=True,
            text=True,
            check=False,
        )
    assert finished.returncode == 0, finished.stdout[-3_000:] + finished.stderr[-3_000:]
    assert (
        '"permitted":[true,false],"reason":["window_closed","unknown_content"]' in finished.stdout
    )
    assert finished.stdout.count("permitted 2 [True, False]") == len(PROGRAMS) == 2


def begin(service: RunningService) -> None:
    """Do what the README's first check does: a use, an artist, a track."""
    with service.connect() as connection:
        write = connection.write
        write("POST", "/v1/charter", {"platform": "x", "min_notice_period": "P30D"})
        policy = {"mode": "opt_out", "recipients": ["internal"], "notice_period": "P30D"}
        write("POST", f"/v1/uses/{USE}/policies", policy | {"texts": {"en": "We recommend."}})
        write("POST", "/v1/artists", {"artists": [{"artist": "ana"}]})
        content = [{"content": "track-1", "rightsholders": ["ana"]}]
        write("POST", "/v1/content", {"content": content})


def test_its_limits_are_the_services() -> None:
    """Each number of its table."""
    fields = Settings.model_fields
    mebibyte = 1024 * 1024
    for words in (
        f"{MOST_IN_JSON:,} as JSON, {MOST_IN_ARROW:,} as Arrow; {MOST_LOOKED_UP:,} with `explain`",
        f"`FERMATA_MAX_BODY_BYTES` ({fields['max_body_bytes'].default // mebibyte} MiB)",
        f"`FERMATA_MAX_ARROW_BYTES` ({fields['max_arrow_bytes'].default // mebibyte} MiB)",
        f"| batches in a stream | {MOST_MESSAGES:,} |",
        f"{capacity.SMALL_REQUESTS} requests of up to {capacity.SMALL:,} ids",
        f"{capacity.SMALL_IDS:,} in all; beside them larger ones",
        f"with {capacity.LARGE_IDS:,} in all",
    ):
        assert words in PAGE, words
