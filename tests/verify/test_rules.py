"""Events that the service would have refused: whoever appends past it is found by the rules."""

from typing import Final

import pytest

from service.domain.consent import Answer, Scope
from service.domain.events import ConsentRecorded, PolicyPublished
from service.domain.instant import DAY
from service.domain.policy import Mode
from service.ledger.append import Write
from service.ledger.events import Json, Kind, NewEvent
from service.ledger.facts import charter_event, consent_event, delivery_event, policy_event
from service.ledger.transaction import Transaction
from service.verify.database import Trust, verify_database
from service.verify.finding import What
from service.verify.notes import read_key
from tests.ledger.writing import appending, connected
from tests.verify.seeded import ARTISTS, KEK, MUSIC, RADIO, VERIFIERS, Seeded

KEYS: Final = tuple(read_key(one) for one in VERIFIERS)
WORDS: Final = frozenset({("en", "0" * 64)})
HERE: Final = frozenset({"internal"})


def evidence(**more: object) -> Json:
    """Return how a statement is known, naming the latest versions unless told otherwise."""
    known = {"actor": "platform", "acting_as": "platform", "channel": "api", "locale": None}
    return {**known, "names": {MUSIC: 3}, "shown": [], **more}


def said(subject: str, answer: Answer, scope: Scope, **more: object) -> NewEvent:
    """Return a statement of an artist's."""
    return consent_event(ConsentRecorded(subject, answer, scope), evidence(**more))


def forged(subject: str) -> dict[str, tuple[NewEvent, str]]:
    """Return events that break a rule, and which one."""
    shorter = PolicyPublished(MUSIC, Mode.OPT_OUT, HERE, 29 * DAY, WORDS, editorial=False)
    compulsory = PolicyPublished(RADIO, Mode.OPEN, HERE, 30 * DAY, WORDS, editorial=False)
    skipping = PolicyPublished(RADIO, Mode.OPT_IN, HERE, 30 * DAY, WORDS, editorial=False)
    beneath = PolicyPublished(f"{MUSIC}.x", Mode.OPT_IN, HERE, 30 * DAY, WORDS, editorial=False)
    delivered = {"subject": subject, "outcome": "delivered", "channel": "x", "reported_at": None}
    nobody = Scope(MUSIC, None, "partner:nobody")
    return {
        "a shorter window": (policy_event(shorter, 4), "R6"),
        "a use made compulsory": (policy_event(compulsory, 2), "R2"),
        "a version left out": (policy_event(skipping, 3), "has 1 versions before"),
        "a policy of no leaf": (policy_event(beneath, 1), "no leaf"),
        "a looser charter": (charter_event(Kind.CHARTER_TIGHTENED, "Example Sounds", 1), "R6"),
        "a second charter": (charter_event(Kind.CHARTER_OPENED, "Example Sounds", DAY), "first"),
        "a notice of no version": (delivery_event(MUSIC, 9, [delivered]), "was not published"),
        "a yes to an older version": (
            said(subject, Answer.OPT_IN, Scope(MUSIC), names={MUSIC: 1}),
            "R4",
        ),
        "a yes to nobody": (said(subject, Answer.OPT_IN, nobody), "nobody was asked"),
    }


@pytest.mark.parametrize("case", forged(""))
async def test_an_event_against_the_rules(copy_url: str, seeded: Seeded, case: str) -> None:
    """It is appended as any other, with all that the tree needs; the rules say that it is wrong."""
    async with connected(copy_url) as connection:
        subject = await connection.fetchval(
            "SELECT subject FROM artists WHERE artist_id = $1", ARTISTS[0]
        )
    event, why = forged(subject)[case]
    async with appending(copy_url) as appender:
        await appender.submit(_recording(event))
    report = await verify_database(copy_url, Trust(KEYS, KEK))
    wrong = [one for one in report.findings if why in one.says]
    assert wrong, report.findings
    assert {one.revision for one in wrong} == {seeded.size + 1}
    assert {one.what for one in wrong} <= {What.AGAINST_THE_RULES, What.EVENT_UNREADABLE}


def _recording(event: NewEvent) -> Write:
    async def write(transaction: Transaction) -> Json:
        return {"revision": (await transaction.record(event)).revision}

    return write
