"""The histories that an independent reader of the rules has judged are answered alike."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

import pytest

from service.domain.consent import Answer, Scope
from service.domain.decision import Query, decide
from service.domain.events import (
    ArtistsRegistered,
    CharterSet,
    ConsentRecorded,
    ContentItem,
    ContentPut,
    ContentStatus,
    Fact,
    NoticeDelivered,
    PolicyPublished,
)
from service.domain.history import History
from service.domain.instant import DAY, SECOND, Instant
from service.domain.policy import Mode
from tests.domain.shared_folder import SHARED

HISTORIES: Final = SHARED / "cases" / "histories.ndjson"
OPENED: Final = 20_000 * DAY
"""When these ledgers were opened; the histories count seconds from there."""

pytestmark = pytest.mark.skipif(not HISTORIES.exists(), reason="no shared folder beside this one")


class Disagreement(NamedTuple):
    """One check that the history and the service answer differently."""

    history: str
    check: int
    asked: str
    expected: str
    answered: str


# One history, the same question at four instants, and the rule's text decides against it. Ana says
# yes to version 1 of `discovery`. Version 2 keeps the words but prohibits, and no longer lists the
# recipient; it governs from its publication. Then version 3 resumes version 1's words and mode.
# R4 lets a yes permit "until a later version governs that has other terms, prohibits, or no longer
# lists the recipient: from then on the yes has lapsed and neither permits nor lifts anything". The
# yes lapsed when version 2 came to govern, and no rule brings a lapsed yes back, so Ana is asked
# again. The history looks only at the version that governs in the end and finds the same terms.
_ASKED = "discovery for partner:muse with t1"
KNOWN_DISAGREEMENTS: Final = {
    Disagreement("h1001-59", check, _ASKED, "opted_in", "reconsent_required")
    for check in (9, 14, 15, 16)
}


def test_the_rules_are_read_as_by_an_independent_reader() -> None:
    """All 250 histories get the judged answers, but for the disagreements listed with reasons."""
    assert set(_disagreements(_read())) == KNOWN_DISAGREEMENTS


def _read() -> list[dict[str, Any]]:
    histories = [json.loads(line) for line in HISTORIES.read_text(encoding="utf-8").splitlines()]
    assert len(histories) == 250
    return histories


def _disagreements(histories: Iterable[Mapping[str, Any]]) -> Iterator[Disagreement]:
    for told in histories:
        history = _fold(told["events"])
        for number, check in enumerate(told["checks"]):
            query = Query(check["use"], check["recipient"], content=check["content"])
            decision = decide(history, query, _instant(check["at"]))
            if (decision.permitted, decision.reason) != (check["permitted"], check["reason"]):
                asked = f"{query.use} for {query.recipient} with {query.content}"
                yield Disagreement(told["name"], number, asked, check["reason"], decision.reason)


def _fold(events: Iterable[Mapping[str, Any]]) -> History:
    history = History()
    history.apply(1, OPENED, CharterSet(min_notice_period=SECOND))
    for revision, event in enumerate(events, start=2):
        history.apply(revision, _instant(event["at"]), _FACTS[event["type"]](event))
    return history


def _instant(seconds: int) -> Instant:
    return OPENED + seconds * SECOND


def _policy(event: Mapping[str, Any]) -> Fact:
    words = sha256(event["text"].encode()).hexdigest()
    return PolicyPublished(
        use=event["use"],
        mode=Mode(event["mode"]),
        recipients=frozenset(event["recipients"]),
        notice_period=event["notice_seconds"] * SECOND,
        texts=frozenset({("en", words)}),
        editorial=event["editorial"],
    )


def _artist(event: Mapping[str, Any]) -> Fact:
    return ArtistsRegistered((event["artist"],))


def _content(event: Mapping[str, Any]) -> Fact:
    holders = tuple(event["rightsholders"])
    return ContentPut((ContentItem(event["content"], holders, ContentStatus.ACTIVE),))


def _delivery(event: Mapping[str, Any]) -> Fact:
    return NoticeDelivered(event["use"], event["version"], (event["artist"],))


def _consent(event: Mapping[str, Any]) -> Fact:
    expires = event["expires"]
    return ConsentRecorded(
        artist=event["artist"],
        answer=Answer(event["answer"]),
        scope=Scope(event["use"], event["content"], event["recipient"]),
        expires_at=None if expires is None else _instant(expires),
    )


_FACTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Fact]]] = {
    "policy": _policy,
    "artist": _artist,
    "content": _content,
    "delivery": _delivery,
    "consent": _consent,
}
