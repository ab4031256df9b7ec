"""What the log says was permitted and the ledger does not bear out: no pack claims otherwise."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from service.decisions.log import DecisionLog
from service.domain.assessment import Reason
from service.evidence import eu_summary, licensing
from service.evidence.wanted import PackWanted
from tests.api.story import MUSIC, ONLY_ASKS
from tests.conftest import migrated_database
from tests.decisions.log.deciding import Said, decision
from tests.evidence.tale import MUTE, NO, YES, Tale, told_to_the_end
from tests.evidence.test_eu_summary import fields
from tests.evidence.test_licensing import of, rows_of

pytestmark = ONLY_ASKS

NOTHING_ELSE = "nothing was permitted that the terms"
SILENCE = Said(Reason.WINDOW_CLOSED, 2)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def altered(
    postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Tale]:
    """Return the story, with permits in its log that nobody was ever given.

    Of the run `many` before a window of these had closed; of `few` for two who had said no, and for
    content in dispute.
    """
    folder = tmp_path_factory.mktemp("packs")
    async with migrated_database(postgres_url) as url, told_to_the_end(url, folder) as tale:
        early, head = tale.decisions["early"], await tale.door.services.heads.read()
        many = [f"song-of-{artist}" for artist in MUTE]
        few = [f"song-of-{artist}" for artist in NO]
        disputed = decision(
            ["in-dispute"],
            [Said(Reason.OPTED_IN, 1)],
            at=head.now,
            revision=head.size,
            use=MUSIC,
            run="few",
        )
        async with DecisionLog(url, timeout=10) as log:
            for ids, run, revision in ((many, "many", early["revision"]), (few, "few", head.size)):
                await log.record(
                    decision(
                        ids,
                        [SILENCE] * len(ids),
                        at=head.now,
                        evaluated_at=head.now,
                        revision=revision,
                        use=MUSIC,
                        run=run,
                    )
                )
            await log.record(disputed)
        yield tale


async def said_of(tale: Tale, run: str | None) -> dict[str, str]:
    """Return what the public summary says of a run, or of all."""
    wanted: PackWanted = replace(await tale.now(), run=run)
    document = await tale.document(eu_summary.NAME, wanted)
    return {key: text for key, text in fields(document).items() if text}


async def test_a_permit_that_nothing_bears_is_the_ground_of_its_content(altered: Tale) -> None:
    """Also where the content was permitted rightly later: it was used before, perhaps."""
    [row] = of(await rows_of(altered), "song-of-mute-03")
    assert (row["agrees_with_ledger"], row["permits"], row["yes_of_all"]) == (False, 2, False)
    rightly = replace(await altered.now(), run="r1")
    [row] = of(await rows_of(altered, rightly), "song-of-mute-03")
    assert (row["agrees_with_ledger"], row["permits"]) == (True, 1)


async def test_content_in_dispute_is_permitted_by_nobodys_yes(altered: Tale) -> None:
    """Its rightsholder's yes does not make up for it."""
    [row] = of(await rows_of(altered), "in-dispute")
    assert (row["rightsholder"], row["basis"]) == (YES[0], "opted_in")
    assert (row["agrees_with_ledger"], row["yes_of_all"]) == (False, False)
    document = await altered.document(licensing.NAME, replace(await altered.now(), run="few"))
    assert document["totals"]["yes_of_all"] == 0


async def test_the_summary_claims_what_the_ledger_bears_out(altered: Tale) -> None:
    """Where it bears out everything; what is erased cannot be looked at again, and it says so."""
    said = await said_of(altered, "r1")
    assert NOTHING_ELSE in said["reservation.measures"]
    assert "cannot be looked at again" in said["reservation.measures"]
    assert "not borne out" not in said["user.services"]
    assert said["illegal.measures"].startswith("Content that")
    assert "cannot be looked at again" not in (await said_of(altered, "r2"))["reservation.measures"]


async def test_the_summary_claims_nothing_that_its_own_tables_contradict(altered: Tale) -> None:
    """It says how much is not borne out, and where to look; only the rest counts as permitted."""
    said = await said_of(altered, "many")
    assert NOTHING_ELSE not in said["reservation.measures"]
    assert (
        "borne out by the ledger: 11 content of 11 artists in table A"
        in (said["reservation.measures"])
    )
    assert "Permitted: 0 content of 0 artists." in said["user.services"]
    assert "not borne out by the ledger: 11 content of 11 artists (3.1)" in said["user.services"]
    assert said["illegal.measures"].startswith("But for what the ledger does not bear out (3.1)")


async def test_few_that_are_not_borne_out_are_not_kept_quiet(altered: Tale) -> None:
    """How many they are is not told; that there are some is."""
    said = await said_of(altered, "few")
    assert NOTHING_ELSE not in said["reservation.measures"]
    few = "content of fewer than 10 artists in each group"
    assert f"borne out by the ledger: {few} in table A" in said["reservation.measures"]
    assert f"not borne out by the ledger: {few} (3.1)" in said["user.services"]


async def test_totals_tell_what_is_confirmed_from_what_is_not(altered: Tale) -> None:
    """Both are part of all that was answered as permitted."""
    document = await altered.document(eu_summary.NAME, replace(await altered.now(), run="many"))
    permitted = document["figures"]["permitted"]
    eleven = {"artists": 11, "content": 11, "withheld": None, "at_least": False}
    assert permitted["total"] == permitted["not_confirmed"] == eleven
    assert permitted["confirmed"] == eleven | {"artists": 0, "content": 0}
