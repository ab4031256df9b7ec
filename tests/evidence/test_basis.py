"""What one rightsholder's permission rested on, case by case."""

from collections.abc import Sequence
from typing import Any

import pytest

from service.domain.assessment import Reason
from service.domain.binding import Window
from service.domain.consent import Answer, ConsentRecord, Scope
from service.domain.history import Artist
from service.domain.policy import Mode, PolicyVersion
from service.evidence.basis import Asked, Basis, Origin, basis_of

USE = "discovery.similar"
PERIOD = 100
LATER = 10_000


def version(number: int, mode: Mode = Mode.OPT_OUT, **more: Any) -> PolicyVersion:
    """Return a version that was published at 1,000 times its number, with terms of its own."""
    return PolicyVersion(
        **{
            "use": USE,
            "version": number,
            "mode": mode,
            "recipients": frozenset({"internal"}),
            "notice_period": PERIOD,
            "texts": frozenset({("en", str(number))}),
            "editorial": False,
            "launch": False,
            "terms": number,
            "published_at": 1_000 * number,
            "revision": 10 * number,
            **more,
        }
    )


def artist(*records: ConsentRecord, registered_at: int = 10, **delivered: int) -> Artist:
    """Return an artist to whom versions were delivered (`v2=2_500`) and who said this."""
    found = Artist(registered_at)
    found.delivered[USE] = {int(name[1:]): at for name, at in delivered.items()}
    for record in records:
        found.say(record)
    return found


def yes(revision: int, at: int, **scope: Any) -> ConsentRecord:
    """Return a yes."""
    return ConsentRecord(revision, at, Answer.OPT_IN, Scope(**{"use": USE, **scope}))


def basis(who: Artist, versions: Sequence[PolicyVersion], at: int = LATER, least: int = 1) -> Basis:
    """Return what their permission rested on."""
    return basis_of(who, versions, Asked("internal", "song", at, least))


@pytest.mark.parametrize(
    ("versions", "delivered", "origin"),
    [
        # Launch terms need no window.
        ([version(1, launch=True)], {}, Origin(1, None)),
        # New terms need one.
        ([version(1)], {"v1": 1_500}, Origin(1, Window(1, 1_500, 1_600))),
        # Another spelling of them needs none, also of launch terms.
        (
            [version(1), version(2, editorial=True, terms=1)],
            {"v1": 1_500},
            Origin(1, Window(1, 1_500, 1_600)),
        ),
        ([version(1, launch=True), version(2, editorial=True, terms=1)], {}, Origin(1, None)),
        # Nor do the same terms, for one more recipient say, however often they go on.
        (
            [version(1), version(2, terms=1), version(3, terms=1)],
            {"v1": 1_500},
            Origin(1, Window(1, 1_500, 1_600)),
        ),
        # Terms that were left and taken up again had to be told again.
        (
            [version(1, launch=True), version(2, Mode.OPT_IN), version(3, terms=1)],
            {"v3": 3_500},
            Origin(3, Window(3, 3_500, 3_600)),
        ),
    ],
)
def test_silence_goes_back_to_a_window_or_to_launch_terms(
    versions: list[PolicyVersion], delivered: dict[str, int], origin: Origin
) -> None:
    """Through versions that bound without a window of their own."""
    found = basis(artist(**delivered), versions)
    assert found == Basis(Reason.WINDOW_CLOSED, len(versions), origin=origin)


def test_open_terms_are_launch_terms() -> None:
    """Nobody is asked, and no window can close."""
    versions = [version(1, Mode.OPEN, launch=True), version(2, Mode.OPEN, editorial=True, terms=1)]
    assert basis(artist(), versions) == Basis(Reason.OPEN, 2, origin=Origin(1, None))


def test_of_several_yeses_the_one_to_the_newest_version_is_shown() -> None:
    """Of those to the same version the last; one that has lapsed is none."""
    versions = [version(1, Mode.OPT_IN, launch=True), version(2, Mode.OPT_IN)]
    first = yes(15, 1_200)
    second = yes(25, 2_100, content="song")
    third = yes(26, 2_200, use="discovery")
    assert basis(artist(first, second, third), versions).yes == third
    assert basis(artist(second), versions) == Basis(Reason.OPTED_IN, 2, yes=second)
    assert basis(artist(first), versions[:1]) == Basis(Reason.OPTED_IN, 1, yes=first)
    assert basis(artist(first), versions) == Basis(Reason.RECONSENT_REQUIRED, 2)


def test_a_denial_rests_on_nothing() -> None:
    """Its reason is told all the same."""
    versions = [version(1)]
    assert basis(artist(), versions) == Basis(Reason.NOT_NOTIFIED, None)
    assert basis(artist(v1=1_500), versions, at=1_599) == Basis(Reason.WINDOW_OPEN, None)
    assert basis(artist(v1=1_500), versions, at=1_600).origin is not None


def test_whoever_acts_under_new_terms_needs_them_to_bind() -> None:
    """As the decision was made, with the least version that its request named."""
    versions = [version(1, launch=True), version(2)]
    silent = artist(v2=2_500)
    assert basis(silent, versions, at=2_550).policy_version == 1
    assert basis(silent, versions, at=2_550, least=2).reason is Reason.WINDOW_OPEN
    assert basis(silent, versions, at=2_600, least=2).policy_version == 2
