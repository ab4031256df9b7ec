"""The judge's random histories, written into a real ledger by the writers, at their own instants.

The judge counts whole seconds; here second `n` of a history is `n` seconds after `NOON`.
"""

import random
from collections.abc import Mapping
from typing import Any

from service.catalog.artists import ArtistRow, register_artists
from service.catalog.content import ContentRow, put_content
from service.consents.admission import Statement
from service.consents.authority import Actor
from service.domain.consent import Answer, Scope
from service.domain.events import ContentStatus
from service.domain.instant import SECOND, Instant
from service.domain.policy import Mode, PolicyDraft
from service.ledger.append import Appender, Write
from service.notices.deliveries import DeliveryRow, Outcome, record_deliveries
from service.policies.publish import publish_policy
from tests.judge.histories import random_history
from tests.ledger.seeing import record_seeing
from tests.ledger.stopped_clock import NOON, set_clock
from tests.ledger.writing import connected, open_ledger

Event = Mapping[str, Any]
History = dict[str, Any]

_PLATFORM = Actor("platform", is_platform=True)


def playable(rng: random.Random, size: int = 30) -> History:
    """Return a random history that every writer takes as it is.

    Left out: erasures, for which there is no writer yet, and launch terms that become `open` after
    having been something else, which the service refuses as making a use compulsory (R2).
    """
    while True:
        history = random_history(rng, size, 0, unregistered_rightsholders=False)
        history["events"] = [e for e in history["events"] if e["type"] != "erase"]
        published = any(event["type"] == "policy" for event in history["events"])
        if published and not _becomes_open(history):
            return history


def _becomes_open(history: History) -> bool:
    left: set[str] = set()
    for event in history["events"]:
        if event["type"] == "policy" and event["mode"] != "open":
            left.add(event["use"])
        elif event["type"] == "policy" and event["use"] in left:
            return True
    return False


def instant_of(event: Event) -> Instant:
    """Return the instant at which an event of a history happens."""
    at: int = event["at"]
    return NOON + at * SECOND


def write_of(event: Event) -> Write:
    """Return the write that makes this event happen."""
    return _WRITES[event["type"]](event)


def _policy(event: Event) -> Write:
    return publish_policy(
        PolicyDraft(
            use=event["use"],
            mode=Mode(event["mode"]),
            recipients=frozenset(event["recipients"]),
            notice_period=event["notice_seconds"] * SECOND,
            texts={"en": event["text"]},
            editorial=event["editorial"],
        )
    )


def _artist(event: Event) -> Write:
    return register_artists([ArtistRow(event["artist"])])


def _content(event: Event) -> Write:
    status = ContentStatus(event.get("status", "active"))
    return put_content([ContentRow(event["content"], tuple(event["rightsholders"]), status)])


def _delivery(event: Event) -> Write:
    row = DeliveryRow(event["artist"], Outcome.DELIVERED, "email")
    return record_deliveries(f"{event['use']}:{event['version']}", [row])


def _consent(event: Event) -> Write:
    expires = event["expires"]
    statement = Statement(
        Answer(event["answer"]),
        Scope(event["use"], event["content"], event["recipient"]),
        "settings_page",
        None if expires is None else NOON + expires * SECOND,
    )
    return record_seeing(event["artist"], statement, _PLATFORM)


_WRITES = {
    "policy": _policy,
    "artist": _artist,
    "content": _content,
    "delivery": _delivery,
    "consent": _consent,
}


async def play(url: str, appender: Appender, history: History) -> None:
    """Open the ledger and let the whole history happen; the database's clock is a stopped one."""
    async with connected(url) as clock:
        await open_ledger(appender)
        for event in history["events"]:
            await set_clock(clock, instant_of(event))
            await appender.submit(write_of(event))
