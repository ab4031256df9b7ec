"""When nobody has to be judged one by one, held against judging them."""

from bisect import bisect_right

from hypothesis import given

from service.domain.binding import window_matters
from service.domain.policy import Mode
from service.notices.audience import everybody_waits
from tests.domain.histories import TICK, Ledger, ledgers


@given(ledgers())
def test_everybody_waits_only_where_everybody_does(ledger: Ledger) -> None:
    """New terms by silence that nothing but spelling follows wait for each artist there is."""
    history = ledger.history
    now = history.recorded_at + TICK
    for versions in history.versions.values():
        for version in versions:
            followers = versions[version.version :]
            waits = version.mode is Mode.OPT_OUT and not (version.launch or version.editorial)
            if not waits or not all(later.editorial for later in followers):
                continue
            if everybody_waits(versions, version.version):
                for artist in history.artists.values():
                    told = artist.deliveries(version.use)
                    assert window_matters(
                        versions, version.version, artist.registered_at, told, now
                    )


@given(ledgers())
def test_only_the_era_of_a_registration_counts(ledger: Ledger) -> None:
    """Who registered between the same two versions is in the same place, to the microsecond.

    So artists who were told of the same things are judged as one.
    """
    history = ledger.history
    now = history.recorded_at + TICK
    for versions in history.versions.values():
        published = [version.published_at for version in versions]
        for artist in history.artists.values():
            told = artist.deliveries(versions[0].use)
            era = bisect_right(published, artist.registered_at)
            earliest = published[era - 1] + 1 if era else 1
            for number in range(1, len(versions) + 1):
                judged = {
                    window_matters(versions, number, registered_at, told, now)
                    for registered_at in (earliest, artist.registered_at)
                }
                assert len(judged) == 1
