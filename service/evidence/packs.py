"""The packs there are: files of an export bundle that fill themselves.

    await PACKS["licensing-certification"].write(session, wanted, folder)

The bundle's manifest has the digests, the checkpoint and the signature; a pack names the revision.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from service.db.engine import ReadSession
from service.evidence import eu_summary, licensing
from service.evidence.wanted import PackWanted

__all__ = ["PACKS", "Pack", "PackWanted"]

Write: TypeAlias = Callable[[ReadSession, PackWanted, Path], Awaitable[list[Path]]]


@dataclass(frozen=True, slots=True)
class Pack:
    """One kind of pack. `needs` names what has to be asked for beside the time.

    `personal` is whether people are in it: an erasure takes bundles with it away.

    `write` writes the pack's files into a folder that is there, and returns them in the order in
    which a person would read them. It holds no more in memory however much is in the log; what it
    needs meanwhile lies in a folder within that one, which is gone afterwards. It raises Refused
    for a use that has no policy, and for a run that no decision names.
    """

    name: str
    title: str
    needs: frozenset[str]
    personal: bool
    write: Write


_PACKS: Final = (
    Pack(
        eu_summary.NAME,
        "Public summary of training content (Regulation (EU) 2024/1689, Art. 53(1)(d))",
        frozenset({"use", "recipient"}),
        personal=False,
        write=eu_summary.write,
    ),
    Pack(
        licensing.NAME,
        "Licensing certification: what was permitted, and who said yes to it when",
        frozenset({"use", "recipient"}),
        personal=True,
        write=licensing.write,
    ),
)

PACKS: Final[Mapping[str, Pack]] = {pack.name: pack for pack in _PACKS}
"""Packs by name, as exports ask for them."""
