"""Permits that say the same are told apart where what they rest on is not the same."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.decisions.log import DecisionLog
from service.domain.assessment import Reason
from tests.api.door import make_clock_movable, make_issuer, open_door
from tests.api.story import RECOMMENDATION, Story
from tests.decisions.log.deciding import Said, decision
from tests.evidence.tale import FRAUD, Tale
from tests.evidence.test_licensing import of, rows_of


@pytest.fixture
async def platform(database_url: str, tmp_path: Path) -> AsyncIterator[Tale]:
    """Return a platform with a track of two, and with launch terms."""
    await make_clock_movable(database_url)
    async with open_door(database_url, make_issuer()) as door:
        story = Story(door)
        await story.open_charter()
        await story.publish(RECOMMENDATION, "opt_out", "internal")
        await story.publish(FRAUD, "open", "internal")
        await story.register("ana", "ben")
        await story.put("duet", "ana", "ben")
        yield Tale(door, story, tmp_path)


async def rows(tale: Tale, use: str) -> list[dict[str, Any]]:
    """Return the duet's rows in the pack of a use."""
    return of(await rows_of(tale, replace(await tale.now(), use=use)), "duet")


async def test_what_an_answer_knew_tells_permits_apart(platform: Tale) -> None:
    """One that may be older than what was said since, as whoever asked allowed, rests on before."""
    story = platform.story
    await story.say("ana", "opt_in", RECOMMENDATION)
    before = await story.revision()
    await story.say("ben", "opt_in", RECOMMENDATION)
    head = await platform.door.services.heads.read()
    async with DecisionLog(platform.door.database_url, timeout=10) as log:
        for number, revision in enumerate((before, head.size)):
            yes = decision(
                ["duet"],
                [Said(Reason.OPTED_IN, 1)],
                at=head.now + number,
                evaluated_at=head.now,
                revision=revision,
                use=RECOMMENDATION,
            )
            await log.record(yes)
    ana, ben = await rows(platform, RECOMMENDATION)
    assert (ana["basis"], ben["basis"]) == ("opted_in", "window_closed")
    assert (ben["decision_revision"], ben["permits"], ben["yes_of_all"]) == (before, 2, False)


async def test_what_ends_by_itself_tells_permits_apart(platform: Tale) -> None:
    """Nothing was said between them; the window of one of the two has closed."""
    story, door = platform.story, platform.door
    await story.publish(FRAUD, "opt_out", "internal", texts={"en": "New."})
    await story.deliver(f"{FRAUD}:2", "ana")
    await door.advance(timedelta(days=20))
    await story.deliver(f"{FRAUD}:2", "ben")
    await door.advance(timedelta(days=15))
    early = await story.check(FRAUD, "duet")
    await door.advance(timedelta(days=20))
    late = await story.check(FRAUD, "duet")
    assert early["revision"] == late["revision"]
    said = [(one["reason"], one["policy_version"]) for one in (*early["results"], *late["results"])]
    assert said == [("window_closed", 2)] * 2
    ana, ben = await rows(platform, FRAUD)
    assert (ana["basis"], ben["basis"]) == ("window_closed", "open")
    assert (ben["decision_id"], ben["permits"]) == (early["decision_id"], 2)
