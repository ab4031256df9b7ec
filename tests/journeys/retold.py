"""A random history as it is told to a running service beside others, and to the judge.

Many histories share one ledger without meeting: each has its own uses, artists and content, named
after its number. What they do share is the ledger's first artist, before whom launch terms are
published (R7), so every history's first registration is put at the same instant, `NOON`, give or
take a millisecond for each; that also keeps any two of their events apart, while every distance
within a history is the whole number of seconds that it was drawn with.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from service.domain.instant import SECOND, Instant, format_instant
from tests.api.people import PLATFORM, POLICY_DESK, Caller, person
from tests.ledger.stopped_clock import NOON

_APART: Final = SECOND // 1_000

Event = Mapping[str, Any]
History = Mapping[str, Any]


class Request(NamedTuple):
    """What a client sends to make something happen."""

    path: str
    body: Any
    by: Caller


class Retold:
    """One history under its own names, at the ledger's instants."""

    def __init__(self, number: int, history: History) -> None:
        """Take a history whose instants are whole seconds, and its number among the others."""
        self.number = number
        self._history = history
        registered = [e["at"] for e in history["events"] if e["type"] == "artist"]
        self._noon: int = registered[0]

    def instant(self, second: int) -> Instant:
        """Return when something happens that the history puts at this second."""
        return NOON + (second - self._noon) * SECOND + self.number * _APART

    def use(self, node: str) -> str:
        """Return a use's name here; the root is everybody's."""
        return node if node == "*" else f"h{self.number}.{node}"

    def name(self, one: str) -> str:
        """Return an artist's or a content's name here."""
        return f"h{self.number}-{one}"

    def happenings(self) -> list[tuple[Instant, Event]]:
        """Return every event with its instant."""
        return [(self.instant(event["at"]), event) for event in self._history["events"]]

    def for_the_judge(self) -> dict[str, Any]:
        """Return the history as it happens here, in microseconds, under its own plain names."""
        return {"events": [self._judged(event) for event in self._history["events"]]}

    def _judged(self, event: Event) -> dict[str, Any]:
        told = {**event, "at": self.instant(event["at"])}
        if event.get("expires") is not None:
            told["expires"] = self.instant(event["expires"])
        if "notice_seconds" in event:
            told["notice_seconds"] = event["notice_seconds"] * SECOND
        return told

    def request(self, event: Event) -> Request:
        """Return the request that makes an event happen."""
        asked: Request = getattr(self, f"_{event['type']}")(event)
        return asked

    def _policy(self, event: Event) -> Request:
        body = {
            "mode": event["mode"],
            "recipients": event["recipients"],
            "notice_period": f"PT{event['notice_seconds']}S",
            "texts": {"en": event["text"]},
            "editorial": event["editorial"],
        }
        return Request(f"/v1/uses/{self.use(event['use'])}/policies", body, POLICY_DESK)

    def _artist(self, event: Event) -> Request:
        body = {"artists": [{"artist": self.name(event["artist"])}]}
        return Request("/v1/artists", body, PLATFORM)

    def _content(self, event: Event) -> Request:
        row = {
            "content": self.name(event["content"]),
            "rightsholders": [self.name(artist) for artist in event["rightsholders"]],
            "status": event.get("status", "active"),
        }
        return Request("/v1/content", {"content": [row]}, PLATFORM)

    def _delivery(self, event: Event) -> Request:
        notice = f"{self.use(event['use'])}:{event['version']}"
        row = {"artist": self.name(event["artist"]), "channel": "email"}
        return Request(f"/v1/notices/{notice}/deliveries", {"deliveries": [row]}, PLATFORM)

    def _consent(self, event: Event) -> Request:
        content, expires = event["content"], event["expires"]
        body = {
            "answer": event["answer"],
            "use": self.use(event["use"]),
            "content": None if content is None else self.name(content),
            "recipient": event["recipient"],
            "expires_at": None if expires is None else format_instant(self.instant(expires)),
            "channel": "settings_page",
        }
        artist = self.name(event["artist"])
        return Request(f"/v1/artists/{artist}/consents", body, person(artist))
