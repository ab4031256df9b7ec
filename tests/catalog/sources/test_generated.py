"""The invented catalogue."""

import random
from collections import Counter

import pytest

from service.catalog.sources.generated import generated_catalog
from service.catalog.sources.names import artist_id
from service.catalog.sources.once import each_once
from service.catalog.sources.track import Track


@pytest.fixture(scope="module")
def catalog() -> list[Track]:
    """One catalogue of the real size."""
    return list(generated_catalog(random.Random(20240213)))


def test_it_has_the_size_and_shape_of_the_real_one(catalog: list[Track]) -> None:
    """Tracks exactly, artists and tracks of several about, three that name nobody."""
    assert len(catalog) == 21_502
    sizes = Counter(len(track.artists) for track in catalog)
    assert sizes[0] == 3
    assert 0.04 < sum(count for size, count in sizes.items() if size > 1) / len(catalog) < 0.06
    assert max(sizes) <= 3


def test_its_artists_are_as_many_and_as_unequal_as_the_real_ones(catalog: list[Track]) -> None:
    """Most have one track, the busiest more than eighty."""
    tracks = Counter(artist for track in catalog for artist in track.artists)
    assert 6_200 < len(tracks) < 7_200
    assert 0.55 < sum(count == 1 for count in tracks.values()) / len(tracks) < 0.75
    assert 80 < max(tracks.values()) < 200


def test_its_ids_are_unique_and_follow_from_the_names(catalog: list[Track]) -> None:
    """No two artists share a name, and every row is fit for the service."""
    artists = {artist for track in catalog for artist in track.artists}
    assert len({artist.artist_id for artist in artists}) == len(artists)
    assert all(artist_id(artist.name) == artist.artist_id for artist in artists)
    assert list(each_once(catalog)) == catalog


def test_a_seed_is_a_catalogue() -> None:
    """The same again for the same seed; nothing in common with another's content."""
    one, same, other = (list(generated_catalog(random.Random(seed), 300)) for seed in (1, 1, 2))
    assert one == same
    assert not {track.content_id for track in one} & {track.content_id for track in other}


@pytest.mark.parametrize("size", [0, 1, 2, 50, 7_168])
def test_any_size_can_be_had(size: int) -> None:
    """Tracks without an artist keep their share: none in a small one, one in a third."""
    tracks = list(generated_catalog(random.Random(3), size))
    assert len(tracks) == size
    assert sum(not track.artists for track in tracks) == (1 if size > 7_000 else 0)
