"""A platform that ran for a while: what it exported in each format, and its database afterwards."""

import base64
import shutil
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.api.door import KEY, make_clock_movable, make_issuer, open_door
from tests.api.story import Story
from tests.exports.bundles import opened_office
from tests.exports.conftest import tell

FORMATS: Final = ("parquet", "csv", "ndjson")
DATASETS: Final = (
    "consents",
    "artists",
    "content",
    "policies",
    "notices",
    "deliveries",
    "bounces",
    "decisions",
    "runs",
    "events",
)
KEK: Final = base64.b64decode(KEY.get_secret_value())


@dataclass(frozen=True, slots=True)
class Platform:
    """Its database, its log's key, its bundles by format, and some with less in them.

    `narrowed` has what was said until a day and the entries until then; `without_entries` has all
    but the entries.
    """

    url: str
    verifier: str
    bundles: dict[str, Path]
    narrowed: Path
    without_entries: Path


async def ran(url: str, folder: Path) -> Platform:
    """Let everything happen, export it, and stop the service."""
    await make_clock_movable(url)
    async with AsyncExitStack() as stack:
        door = await stack.enter_async_context(open_door(url, make_issuer()))
        office = await stack.enter_async_context(opened_office(door, folder))
        await tell(Story(door))
        bundles = {}
        for one in FORMATS:
            bundle = await office.bundle(*DATASETS, openings=True, format=one)
            bundles[one] = bundle.folder
        narrowed = await office.bundle(
            "consents", "events", filters={"until": "2100-01-01T00:00:00Z"}
        )
        others = [one for one in DATASETS if one != "events"]
        without_entries = await office.bundle(*others)
        verifier = str(office.desk.key.verifier())
    return Platform(url, verifier, bundles, narrowed.folder, without_entries.folder)


def copy_of(bundle: Path, into: Path) -> Path:
    """Return a copy of a bundle, to be changed."""
    return Path(shutil.copytree(bundle, into / "bundle"))
