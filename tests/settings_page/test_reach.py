"""What a no would also stop, known for every place on the page at once."""

import pytest
from hypothesis import assume, given

from service.consents.admission import Statement
from service.consents.authority import Actor
from service.domain.assessment import Reason
from service.domain.consent import Answer, Scope
from service.domain.refusal import Refused
from service.settings_page.desk import Desk
from service.settings_page.effect import effect_of
from service.settings_page.reach import open_track, tracks_stopped, tracks_stopped_by
from service.settings_page.view import view_of
from tests.api.story import RECOMMENDATION, VOICE, Story
from tests.domain.histories import TICK, Ledger, columns, ledgers, talk

ANA = "ana"
SCOPES = [
    Scope("*"),
    *(Scope("*", recipient=recipient) for _, recipient in columns()),
    *(Scope(use.partition(".")[0]) for use, _ in columns()),
    *(Scope(use) for use, _ in columns()),
    *(Scope(use, recipient=recipient) for use, recipient in columns()),
]


@given(ledgers(talk) | ledgers())
def test_it_is_what_the_effect_of_each_no_foretells(ledger: Ledger) -> None:
    """For every history and every scope for all tracks."""
    history = ledger.history
    assume(ANA in history.artists and not history.artists[ANA].erased)
    at = history.recorded_at + TICK
    found = tracks_stopped(view_of(history, ANA, at), SCOPES)
    for scope in SCOPES:
        no = Statement(Answer.OPT_OUT, scope, "settings_page")
        assert found[scope] == effect_of(history, ANA, no, at).tracks_stopped, scope


async def test_it_counts_the_tracks_that_a_yes_allows(begun: Story, desk: Desk) -> None:
    """Those of the artist who asks, and no others."""
    for artist, content in (("ana", "song"), ("ana", "duet"), ("ben", "tune")):
        await begun.say(artist, "opt_in", VOICE, content=content)
    actor = Actor(ANA, is_platform=False)
    scopes = [Scope("*"), Scope(VOICE), Scope(RECOMMENDATION)]
    assert list((await tracks_stopped_by(desk, ANA, actor, scopes)).values()) == [2, 2, 0]


async def test_a_track_shows_this_artist_s_part_and_what_was_said(begun: Story, desk: Desk) -> None:
    """Whatever the other rightsholders say."""
    await begun.say("ben", "opt_out")
    record = await begun.say("ana", "opt_in", VOICE, content="duet")
    track = await open_track(desk, ANA, Actor(ANA, is_platform=False), "duet")
    reasons = {answer.use: answer.reason for answer in track.answers}
    assert (reasons[VOICE], reasons[RECOMMENDATION]) == (Reason.OPTED_IN, Reason.WINDOW_CLOSED)
    assert [said.revision for said in track.said] == [record["revision"]]


async def test_a_track_of_others_is_refused_like_one_that_is_not_there(
    begun: Story, desk: Desk
) -> None:
    """What is on the platform is nobody's to find out here."""
    refusals = []
    for content in ("tune", "nothing"):
        with pytest.raises(Refused) as refused:
            await open_track(desk, ANA, Actor(ANA, is_platform=False), content)
        refusals.append(refused.value.refusals)
    assert refusals[0] == refusals[1]
