"""How long things are kept, as policy that is recorded, applied, and held up by legal holds."""

from datetime import timedelta
from typing import Any, Final

from service.domain.instant import Instant, parse_instant
from service.rights.retention import Kept
from tests.api.door import Door, connected
from tests.api.people import AUDITOR, PLATFORM, person
from tests.api.story import Story

RULES: Final = "/v1/retention"


async def put(door: Door, **rules: str) -> Any:
    """Set every rule there shall be, and return them by what they are about."""
    body = {"rules": [{"what": what, "keep": keep} for what, keep in rules.items()]}
    answer = await door.done("PUT", RULES, body, by=AUDITOR)
    return {rule["what"]: rule for rule in answer["rules"]}


async def kept_answers(door: Door) -> set[str]:
    """Return the idempotency keys whose answers are kept."""
    async with connected(door.database_url) as database:
        return {row[0] for row in await database.fetch("SELECT key FROM idempotency_keys")}


class _Bundles:
    """Remembers what it was asked to discard."""

    def __init__(self) -> None:
        self.before: list[Instant] = []

    async def discard(self, before: Instant) -> int:
        self.before.append(before)
        return 3


async def test_rules_are_in_the_ledger_for_everybody_to_see(begun: Story) -> None:
    """Each that changes is one event; what is not named is kept for ever, which is one too."""
    rules = await put(begun.door, decisions="P7Y", idempotency_answers="P90D")
    assert (rules["decisions"]["keep"], rules["exports"]["keep"]) == ("P7Y", None)
    first = await begun.revision()
    await put(begun.door, decisions="P7Y", idempotency_answers="P90D")
    assert await begun.revision() == first
    rules = await put(begun.door, decisions="P1Y6M")
    assert rules["idempotency_answers"]["keep"] is None
    assert await begun.revision() == first + 2
    async with connected(begun.door.database_url) as database:
        leaf = await database.fetchval("SELECT leaf FROM ledger WHERE kind = 'retention.set'")
    assert b'"keep":"P90D"' in leaf
    assert {
        rule["what"] for rule in (await begun.door.done("GET", RULES, by=AUDITOR))["rules"]
    } == {what.value for what in Kept}


async def test_a_rule_is_refused_that_is_too_short_or_twice_there(begun: Story) -> None:
    """Whoever was decided about has half a year to ask; all that is wrong is named."""
    before = await begun.revision()
    for rules, field in (
        ([{"what": "decisions", "keep": "P5M"}], "rules.decisions"),
        ([{"what": "decisions", "keep": "P1Y"}, {"what": "decisions", "keep": "P2Y"}], "rules[1]"),
        ([{"what": "decisions", "keep": "PT5H"}], "rules[0].keep"),
        ([{"what": "ledger", "keep": "P1Y"}], "rules[0].what"),
    ):
        refused = await begun.door.ask("PUT", RULES, {"rules": rules}, by=AUDITOR)
        assert refused.status_code == 422
        assert field in {error["field"] for error in refused.json()["errors"]}
    assert await begun.revision() == before


async def test_old_answers_go_and_those_about_somebody_held_stay(begun: Story) -> None:
    """A write that is repeated after that is done anew, as it was the first time."""
    door = begun.door
    say = {"answer": "opt_out", "use": "*", "channel": "email"}
    for artist in ("ana", "ben"):
        path = f"/v1/artists/{artist}/consents"
        await door.done("POST", path, say, by=person(artist), key=f"of {artist}")
    await door.done("POST", "/v1/artists/ana/holds", {"reason": "a case"}, by=AUDITOR)
    await door.done("POST", "/v1/artists", {"artists": [{"artist": "eve"}]}, by=PLATFORM, key="new")
    await put(door, idempotency_answers="P1D")
    await door.services.chores.look()
    assert await kept_answers(door) == {"of ana", "of ben", "new"}
    await door.advance(timedelta(days=2))
    await door.services.chores.look()
    assert await kept_answers(door) == {"of ana"}
    (rule, *_) = (await door.done("GET", RULES, by=AUDITOR))["rules"]
    assert rule["discarded"] == 2
    assert parse_instant(rule["applied_at"]) > parse_instant(rule["set_at"])


async def test_what_is_about_many_waits_for_every_hold(begun: Story) -> None:
    """Once a day it is discarded, but never while anybody is held whom it may speak of."""
    door, bundles = begun.door, _Bundles()
    door.services.chores.discarders = {Kept.EXPORTS: bundles}
    hold = await door.done("POST", "/v1/artists/ana/holds", {"reason": "a case"}, by=AUDITOR)
    rules = await put(door, exports="P30D")
    await door.services.chores.look()
    assert bundles.before == []
    await door.done("DELETE", f"/v1/artists/ana/holds/{hold['revision']}", by=AUDITOR)
    for _ in range(2):
        await door.services.chores.look()
    (before,) = bundles.before
    set_at = parse_instant(rules["exports"]["set_at"])
    assert 0 <= before - (set_at - timedelta(days=30) // timedelta(microseconds=1)) < 60_000_000
    await door.advance(timedelta(days=1))
    await door.services.chores.look()
    assert len(bundles.before) == 2
    shown = (await door.done("GET", RULES, by=AUDITOR))["rules"]
    assert {rule["what"]: rule["discarded"] for rule in shown}["exports"] == 6


async def test_one_process_does_the_chores_at_a_time(begun: Story) -> None:
    """Whoever comes while somebody is at it leaves it to them."""
    door, bundles = begun.door, _Bundles()
    door.services.chores.discarders = {Kept.EXPORTS: bundles}
    await put(door, exports="P30D")
    async with connected(door.database_url) as somebody:
        await somebody.fetchval("SELECT pg_advisory_lock(9, 1)")
        await door.services.chores.look()
    assert bundles.before == []
    await door.services.chores.look()
    assert len(bundles.before) == 1
