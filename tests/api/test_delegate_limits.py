"""What a delegate without leave to say yes may not do: widen what is permitted, now or later."""

from datetime import timedelta
from typing import Any, Final

import httpx2
import pytest

from service.domain.instant import DAY, format_instant
from tests.api.people import person
from tests.api.refusals import refused
from tests.api.story import MUSIC, RECOMMENDATION, Story

LABEL: Final = person("label", through="label-desk")


async def says(story: Story, answer: str, use: str = MUSIC, **scope: Any) -> httpx2.Response:
    """Speak for ana as her delegate."""
    body = {"answer": answer, "use": use, "channel": "email", **scope}
    return await story.door.ask_seeing("POST", "/v1/artists/ana/consents", body, by=LABEL)


async def in_a_day(story: Story) -> str:
    """Return the instant a day from now, by the ledger's clock."""
    return format_instant((await story.door.services.heads.read()).now + DAY)


@pytest.fixture
async def represented(begun: Story) -> Story:
    """Return a platform on which a label may say no for ana."""
    await begun.delegate("ana", "label")
    return begun


async def test_a_yes_that_expires_is_not_theirs_to_take_back(represented: Story) -> None:
    """Its end is a no that the artist has said ahead; it goes with the yes, early or late."""
    until = await in_a_day(represented)
    await represented.say("ana", "opt_in", RECOMMENDATION, expires_at=until)
    for reason in ("opted_in", "opt_in_expired"):
        refused(await says(represented, "inherit", RECOMMENDATION), 403, "delegate_may_not_opt_in")
        assert await represented.reasons(RECOMMENDATION, "song") == [reason]
        await represented.door.advance(timedelta(days=2))


@pytest.mark.parametrize("scope", [{}, {"content": "song"}, {"recipient": "internal"}], ids=str)
async def test_only_the_very_scope_counts(represented: Story, scope: dict[str, str]) -> None:
    """A no or an expiring yes of another scope is in nobody's way; one of this scope is."""
    until = await in_a_day(represented)
    this: dict[str, Any] = scope
    wide: list[dict[str, Any]] = [{}, {"content": "song"}, {"recipient": "internal"}]
    others = [other for other in wide if other != this]
    for answer, end in (("opt_out", {}), ("opt_in", {"expires_at": until})):
        await represented.say("ana", "opt_in", MUSIC, **this)
        for other in others:
            await represented.say("ana", answer, MUSIC, **(other | end))
        assert (await says(represented, "inherit", **this)).status_code == 201
        await represented.say("ana", answer, MUSIC, **(this | end))
        for other in others:
            await represented.say("ana", "opt_in", MUSIC, **other)
        refused(await says(represented, "inherit", **this), 403, "delegate_may_not_opt_in")


async def test_the_last_word_of_a_scope_counts(represented: Story) -> None:
    """A yes without end that replaced one with an end may be taken back, and once more."""
    until = await in_a_day(represented)
    await represented.say("ana", "opt_in", MUSIC, expires_at=until)
    await represented.say("ana", "opt_in", MUSIC)
    for _ in range(2):
        assert (await says(represented, "inherit")).status_code == 201
    assert await represented.reasons(MUSIC, "song") == ["no_opt_in"]


async def test_a_no_is_always_theirs_to_say(represented: Story) -> None:
    """Over nothing, over any yes, and over a no, which they then cannot take back."""
    until = await in_a_day(represented)
    yeses: list[dict[str, Any] | None] = [None, {}, {"expires_at": until}]
    for said in yeses:
        if said is not None:
            await represented.say("ana", "opt_in", MUSIC, **said)
        assert (await says(represented, "opt_out")).status_code == 201
        assert (await says(represented, "opt_out")).status_code == 201
        refused(await says(represented, "inherit"), 403, "delegate_may_not_opt_in")
        refused(await says(represented, "opt_in"), 403, "delegate_may_not_opt_in")
    assert await represented.reasons(MUSIC, "song") == ["opted_out"]
