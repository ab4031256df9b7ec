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
DATASETS: Final = ("consents", "content", "policies", "deliveries", "decisions", "events")
KEK: Final = base64.b64decode(KEY.get_secret_value())


@dataclass(frozen=True, slots=True)
class Platform:
    """Its database, its log's key, its bundles by format, and one that is narrowed."""

    url: str
    verifier: str
    bundles: dict[str, Path]
    narrowed: Path


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
            "consents", "events", filters={"since": "2027-01-01T00:00:00Z"}
        )
        verifier = str(office.desk.key.verifier())
    return Platform(url, verifier, bundles, narrowed.folder)


def copy_of(bundle: Path, into: Path) -> Path:
    """Return a copy of a bundle, to be changed."""
    return Path(shutil.copytree(bundle, into / "bundle"))
