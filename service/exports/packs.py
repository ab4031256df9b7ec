"""Packs: what is asked for like a dataset, and writes files of its own."""

from pathlib import Path
from typing import Final

from service.db.engine import ReadSession
from service.evidence.packs import PACKS, Pack, PackWanted
from service.exports.wanted import Filters, Moment
from service.storage.objects import Objects

__all__ = ["PACKS", "PACK_FILTERS", "write_pack"]

PACK_FILTERS: Final = frozenset({"use", "recipient", "run", "since", "until"})
"""What packs can be narrowed by, and have to be by what they need."""


async def write_pack(
    pack: Pack,
    session: ReadSession,
    filters: Filters,
    moment: Moment,
    platform: str,
    folder: Path,
    sealed: Objects | None,
) -> list[Path]:
    """Write a pack's files into a folder. Raises Refused where there is no such pack to be had."""
    wanted = PackWanted(
        use=filters.use or "",
        recipient=filters.recipient or "",
        run=filters.run,
        until_revision=moment.revision,
        as_of=moment.as_of,
        platform=platform,
        since=filters.since,
        until=filters.until,
        objects=sealed,
    )
    return await pack.write(session, wanted, folder)
