"""Whether an artist has to be told of a version, held against what the decisions then are."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from hypothesis import given

from service.domain.assessment import Reason
from service.domain.binding import window_matters
from service.domain.decision import Query, decide
from service.domain.events import ConsentRecorded, NoticeDelivered
from service.domain.history import History
from service.domain.instant import Instant
from service.domain.policy import PolicyVersion
from tests.domain.histories import TICK, Event, Ledger, fold, ledgers


@dataclass(frozen=True)
class Case:
    """One artist and one version, in a world in which nobody has said anything.

    `told` is the world in which the notice is delivered now, if it was not before; `untold` the
    one in which it never is.
    """

    versions: list[PolicyVersion]
    version: PolicyVersion
    artist: str
    registered_at: Instant
    delivered: dict[int, Instant]
    now: Instant
    told: History
    untold: History
    closes_at: Instant

    def matters(self) -> bool:
        """What the rule says."""
        number = self.version.version
        return window_matters(self.versions, number, self.registered_at, self.delivered, self.now)

    def governs_from_the_closing(self) -> bool:
        """What the decisions say: on some column its terms decide then, and did not before."""
        followers = self.versions[self.version.version :]
        spellings = {
            self.version.version,
            *(later.version for later in takewhile(lambda later: later.editorial, followers)),
        }
        return any(
            self._decides(self.told, recipient, self.closes_at) in spellings
            and self._decides(self.told, recipient, self.closes_at - 1) not in spellings
            and self._decides(self.untold, recipient, self.closes_at) not in spellings
            for recipient in self.version.recipients
        )

    def _decides(self, history: History, recipient: str, instant: Instant) -> int | None:
        query = Query(self.version.use, recipient, artist=self.artist)
        decision = decide(history, query, instant)
        if decision.reason in {Reason.NOT_NOTIFIED, Reason.WINDOW_OPEN}:
            return None
        return decision.policy_version


def cases(ledger: Ledger) -> Iterator[Case]:
    """Every artist under every version whose window, if there is one by now, is still open."""
    silent = [event for event in ledger.events if not isinstance(event[1], ConsentRecorded)]
    history = fold(silent)
    now = silent[-1][0] + TICK
    for versions in history.versions.values():
        for version in versions:
            for name, artist in history.artists.items():
                delivered = dict(artist.deliveries(version.use))
                closes_at = delivered.get(version.version, now) + version.notice_period
                if not artist.erased and closes_at > now + 1:
                    untold = [_without(event, version, name) for event in silent]
                    arrival = NoticeDelivered(version.use, version.version, (name,))
                    told = silent if version.version in delivered else [*silent, (now, arrival)]
                    yield Case(
                        versions,
                        version,
                        name,
                        artist.registered_at,
                        delivered,
                        now,
                        fold(told),
                        fold(untold),
                        closes_at,
                    )


def _without(event: Event, version: PolicyVersion, artist: str) -> Event:
    """Return the event as it would be had the notice never reached the artist."""
    at, fact = event
    if isinstance(fact, NoticeDelivered) and (fact.use, fact.version) == (
        version.use,
        version.version,
    ):
        left = tuple(one for one in fact.artists if one != artist)
        return at, NoticeDelivered(fact.use, fact.version, left)
    return event


@given(ledgers())
def test_a_window_matters_exactly_where_terms_govern_from_its_closing_on(ledger: Ledger) -> None:
    """Whoever is told has something to lose by silence, and whoever is not told has nothing."""
    for case in cases(ledger):
        asked_by_silence = not (case.version.launch or case.version.editorial)
        assert case.matters() == (asked_by_silence and case.governs_from_the_closing())
