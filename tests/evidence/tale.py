"""A platform with some of everything that evidence has to tell apart, and the packs it gives.

    launch terms   MUSIC v1 `opt_in`, FRAUD v1 `open`, RECOMMENDATION v1 `opt_out`
    yes-01 … 12    a yes to MUSIC v1 and a song each
    said-so        no yes but for one of two songs
    gone           a yes, and erased in the end
    then           MUSIC v2 `opt_out`, 30 days
    mute-01 … 11   were told and said nothing; the windows of all close
    late-01 … 03   were told three weeks later: their windows are still open
    no-01, no-02   said no: one before being told, one in the window
    away           the notice came back

Run `r1` asks about everything before v2 and once more when the windows of `mute-…` have closed;
run `r2` about two songs. When `mute-02` says yes in the end, `r1` asks about that song again.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from service.domain.instant import Instant
from service.evidence.packs import PACKS, PackWanted
from service.rights.erasing import erase_artist
from tests.api.door import Door, make_clock_movable, make_issuer, open_door
from tests.api.people import AUDITING_PIPELINE, PIPELINE, PLATFORM
from tests.api.story import MUSIC, RECOMMENDATION, Story

FRAUD: Final = "safety.fraud"
YES: Final = tuple(f"yes-{n:02}" for n in range(1, 13))
MUTE: Final = tuple(f"mute-{n:02}" for n in range(1, 12))
LATE: Final = tuple(f"late-{n:02}" for n in range(1, 4))
NO: Final = ("no-01", "no-02")
ALONE: Final = (*YES, "gone", *MUTE, *LATE, *NO, "away")
"""Artists with one song of their own, called after them."""

SONGS: Final = (
    *(f"song-of-{artist}" for artist in ALONE),
    "one-of-said-so",
    "other-of-said-so",
    "duet-of-two-yes",
    "duet-of-yes-and-mute",
    "duet-of-mute-and-yes",
    "duet-of-yes-and-gone",
    "kept-back",
    "in-dispute",
    "nobody-put-this",
)
FORMULA: Final = "=HYPERLINK(1)"
MARKUP: Final = "<script>alert(1)</script>"
ISRC: Final = "DEZ650710376"


@dataclass(slots=True)
class Tale:
    """The story told to its end, and what of it tests hold packs against."""

    door: Door
    story: Story
    folder: Path
    revisions: dict[str, int] = field(default_factory=dict)
    decisions: dict[str, dict[str, Any]] = field(default_factory=dict)
    instants: dict[str, Instant] = field(default_factory=dict)
    _written: int = 0

    async def now(self) -> PackWanted:
        """Return what asks about everything of MUSIC for internal up to now."""
        head = await self.door.services.heads.read()
        return PackWanted(
            use=MUSIC,
            recipient="internal",
            run=None,
            until_revision=head.size,
            as_of=head.now,
            platform="Example Sounds",
        )

    async def write(self, name: str, wanted: PackWanted) -> Path:
        """Write a pack into a folder of its own."""
        self._written += 1
        folder = self.folder / f"pack-{self._written}"
        folder.mkdir()
        async with self.door.services.database.read() as session:
            paths = await PACKS[name].write(session, wanted, folder)
        assert sorted(folder.iterdir()) == sorted(paths), "nothing else is left behind"
        return folder

    async def document(self, name: str, wanted: PackWanted) -> dict[str, Any]:
        """Write a pack and return its document."""
        folder = await self.write(name, wanted)
        found: dict[str, Any] = msgspec.json.decode((folder / f"{name}.json").read_bytes())
        return found


@asynccontextmanager
async def told_to_the_end(database_url: str, folder: Path) -> AsyncIterator[Tale]:
    """Tell the story to an empty database, and keep the service."""
    await make_clock_movable(database_url)
    async with open_door(database_url, make_issuer()) as door:
        tale = Tale(door, Story(door), folder)
        await _launch(tale)
        await _first_words(tale)
        tale.decisions["early"] = await tale.story.check(MUSIC, *SONGS, run="r1")
        await _new_terms(tale)
        tale.decisions["late"] = await tale.story.check(MUSIC, *SONGS, run="r1")
        await _afterwards(tale)
        yield tale


async def _launch(tale: Tale) -> None:
    story = tale.story
    await story.open_charter()
    await story.publish(MUSIC, "opt_in", "internal", "partner:pex")
    await story.publish(FRAUD, "open", "internal")
    await story.publish(RECOMMENDATION, "opt_out", "internal")
    await story.register(*ALONE, "said-so")
    rows: list[dict[str, Any]] = [
        {"content": f"song-of-{artist}", "rightsholders": [artist]} for artist in ALONE
    ]
    rows[0] |= {"title": FORMULA, "isrc": ISRC}
    rows[ALONE.index(MUTE[0])] |= {"title": MARKUP}
    rows += [
        {"content": "one-of-said-so", "rightsholders": ["said-so"]},
        {"content": "other-of-said-so", "rightsholders": ["said-so"]},
        {"content": "duet-of-two-yes", "rightsholders": [YES[0], YES[1]]},
        {"content": "duet-of-yes-and-mute", "rightsholders": [YES[0], MUTE[0]]},
        {"content": "duet-of-mute-and-yes", "rightsholders": [MUTE[0], YES[0]]},
        {"content": "duet-of-yes-and-gone", "rightsholders": [YES[0], "gone"]},
        {"content": "kept-back", "rightsholders": [MUTE[0]]},
        {"content": "in-dispute", "rightsholders": [YES[0]], "status": "disputed"},
    ]
    await tale.door.done("POST", "/v1/content", {"content": rows}, by=PLATFORM)


async def _first_words(tale: Tale) -> None:
    for artist in (*YES, "gone"):
        await tale.story.say(artist, "opt_in", "training")
    tale.revisions["last yes"] = await tale.story.revision()
    await tale.story.say("said-so", "opt_in", MUSIC, content="one-of-said-so")
    tale.revisions["yes to one"] = await tale.story.revision()
    await tale.story.say(NO[0], "opt_out", "*")


async def _new_terms(tale: Tale) -> None:
    story, door = tale.story, tale.door
    await story.publish(MUSIC, "opt_out", "internal", texts={"en": "New.", "de": "Neu."})
    await story.deliver(f"{MUSIC}:2", *MUTE, NO[1])
    tale.revisions["told"] = await story.revision()
    await story.deliver(f"{MUSIC}:2", "away", outcome="bounced")
    await story.say(MUTE[0], "opt_out", MUSIC, content="kept-back")
    await story.say(NO[1], "opt_out", MUSIC, recipient="internal")
    await door.advance(timedelta(days=21))
    await story.deliver(f"{MUSIC}:2", *LATE)
    await door.advance(timedelta(days=10))


async def _afterwards(tale: Tale) -> None:
    """Let happen what must not change what was, and ask what is no permission."""
    story, door = tale.story, tale.door
    tale.instants["before r2"] = (await door.services.heads.read()).now
    two = ("song-of-yes-01", "song-of-mute-01")
    tale.decisions["r2"] = await story.check(MUSIC, *two, run="r2")
    then = tale.decisions["late"]["evaluated_at"]
    await story.check(MUSIC, "song-of-yes-02", by=AUDITING_PIPELINE, at=then)
    body = {"use": MUSIC, "artists": ["yes-01"], "run": "r1"}
    await door.done("POST", "/v1/checks", body, by=PIPELINE)
    await story.check(FRAUD, "song-of-mute-01")
    await story.check(RECOMMENDATION, "song-of-mute-01")
    await story.say("yes-03", "opt_out", "*")
    await story.say("mute-02", "opt_in", MUSIC)
    tale.decisions["again"] = await story.check(MUSIC, "song-of-mute-02", run="r1")
    await door.services.appender.submit(erase_artist("gone"))
