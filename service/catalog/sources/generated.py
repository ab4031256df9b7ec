"""An invented catalogue of the size and shape of a real one, for demonstrations and load.

The shape is that of the freemusi.cc database, measured: 21,502 tracks by some 6,650 artists, two
thirds of whom have a single track while a few have more than a hundred; one track in twenty names
several artists; three name nobody; no ISRCs. Names and titles are made up from word lists; whoever
is really called like that is not meant.
"""

from collections.abc import Iterator
from random import Random

from service.catalog.sources.names import identity, named
from service.catalog.sources.track import ArtistName, Track

REAL_TRACKS = 21_502
"""How many tracks the measured catalogue has."""

_WITHOUT_ARTIST = 3
_SEVERAL_ARTISTS = 0.05
_TWO_GUESTS = 0.1
_NEW_GUEST = 0.4

# Tracks of one artist, from and to, and how many artists in a thousand have that many.
_TRACKS_OF_ONE = (
    ((1, 1), 682),
    ((2, 2), 87),
    ((3, 6), 115),
    ((7, 12), 70),
    ((13, 20), 28),
    ((21, 50), 18),
    ((51, 134), 3),
)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words(
    """
    Ada Alba Anselm Asta Bela Bruno Cato Celia Dorian Edda Elio Emre Enzo Fadi Fenja Flora
    Greta Hanno Hedda Ida Imani Iva Jarek Juno Kaito Kalle Lale Levi Liv Malik Mara Milo
    Nadja Nils Noor Odile Orla Otto Paz Pia Quentin Rana Rasmus Remy Rosa Samir Selma Sora
    Svea Tamsin Tilda Tomo Ugo Vera Viggo Wanda Xenia Yara Yusuf Zora
    """
)
_LAST = _words(
    """
    Abendroth Almeida Amsel Arcand Bellweather Birk Brandvold Calder Castellan Dahl Darrow
    Duarte Eklund Ellery Falk Farrow Fennimore Garnet Gorski Greyling Halloran Hartung Holm
    Ibsen Ito Jansson Jurado Kallio Kestrel Kovar Lacroix Lindqvist Lorca Marlowe Mbeki
    Merkel Navarro Nyberg Okafor Oduya Palmer Pereira Quist Rautio Rowan Sandoval Sato Silva
    Stellan Tamm Thorne Ulrich Valdez Varga Voss Weir Winther Yilmaz Zeman Zoltan
    """
)
_ADJECTIVE = _words(
    """
    Amber Ashen Balcony Brass Broken Cardboard Cedar Copper Crooked Distant Electric Empty
    Faded Feral Frozen Gentle Gilded Glass Golden Hidden Hollow Humming Idle Invisible Ivory
    Late Linen Liquid Little Lunar Magnetic Marble Midnight Mild Northern Paper Patient
    Plastic Polar Quiet Radiant Restless Rusty Salt Second Silent Silver Slow Solar Static
    Sudden Sunken Tender Tidal Velvet Violet Wandering Western Wooden Yellow
    """
)
_NOUN = _words(
    """
    Alphabet Anchors Antenna Archive Arcade Atlas Avenue Balloons Bicycle Birches Borders
    Cabinet Carousel Cassette Cathedral Chimneys Circuit Comets Compass Corridor Delta
    Dynamo Echo Elevator Engine Ferry Fountain Garden Geometry Harbour Heron Horizon Island
    Kettle Kites Ladder Lantern Lighthouse Machine Maps Meadow Mirrors Monsoon Motel
    Notebook Observatory Orbit Orchard Parade Pendulum Piano Postcards Quarry Radio Rivers
    Satellite Sparrows Staircase Telephone Tunnel Umbrella Valley Weather Windows
    """
)
_SYLLABLE = _words(
    "ba be da do fa fi ga go ka ko la lu ma mi na no pa po ra ru sa si ta to va vo za zu"
)
_AFTER = ("Ensemble", "Collective", "Trio", "Sound System", "Orchestra", "Project", "Quartet")


def generated_catalog(rng: Random, tracks: int = REAL_TRACKS) -> Iterator[Track]:
    """Exactly `tracks` invented tracks; the same state of `rng` gives the same catalogue.

    Artists and tracks without an artist keep their share when `tracks` is another number. Content
    ids differ from one seed to another. Memory grows with the artists' names.
    """
    batch = f"{rng.getrandbits(40):010x}"
    nobody = _spread(round(_WITHOUT_ARTIST * tracks / REAL_TRACKS), tracks)
    artists = _Artists(rng)
    left = 0
    for number in range(1, tracks + 1):
        if not left:
            artists.introduce()
            left = _track_count(rng)
        left -= 1
        yield Track(
            content_id=f"{batch}-{number:06d}",
            title=_title(rng),
            artists=() if number in nobody else artists.credited(),
            isrc=None,
            source="generated",
            line=number,
        )


class _Artists:
    """The artists so far: whoever has the floor, and whom they may invite."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._known: list[ArtistName] = []
        self._taken: set[str] = set()
        self._main: ArtistName | None = None

    def introduce(self) -> None:
        """From now on the tracks are by an artist who has none yet."""
        self._main = self._new()

    def credited(self) -> tuple[ArtistName, ...]:
        """The artist who has the floor, now and then with guests."""
        main = self._main or self._new()
        if self._rng.random() >= _SEVERAL_ARTISTS:
            return (main,)
        guests = [self._guest()]
        if self._rng.random() < _TWO_GUESTS:
            guests.append(self._guest())
        return tuple(dict.fromkeys([main, *(guest for guest in guests if guest != main)]))

    def _guest(self) -> ArtistName:
        if len(self._known) == 1 or self._rng.random() < _NEW_GUEST:
            return self._new()
        guest = self._rng.choice(self._known)
        return self._new() if guest == self._main else guest

    def _new(self) -> ArtistName:
        name = _name(self._rng)
        number = 1
        while identity(name if number == 1 else f"{name} {number}") in self._taken:
            number += 1
        artist = named(name if number == 1 else f"{name} {number}")
        self._taken.add(identity(artist.name))
        self._known.append(artist)
        return artist


def _name(rng: Random) -> str:
    """A name as people and bands have them."""
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    adjective, noun = rng.choice(_ADJECTIVE), rng.choice(_NOUN)
    word = "".join(rng.choices(_SYLLABLE, k=rng.randint(2, 4))).capitalize()
    forms = (
        (f"{first} {last}", 30),
        (f"{adjective} {noun}", 20),
        (f"The {adjective} {noun}", 10),
        (word, 20),
        (f"{word} {noun}", 8),
        (f"DJ {word}", 5),
        (f"{last} {rng.choice(_AFTER)}", 7),
    )
    return rng.choices([form for form, _ in forms], [weight for _, weight in forms])[0]


def _title(rng: Random) -> str:
    adjective, noun, other = rng.choice(_ADJECTIVE), rng.choice(_NOUN), rng.choice(_NOUN)
    form = rng.choice(
        (
            "{adjective} {noun}",
            "{noun}",
            "{noun} of {other}",
            "{adjective} {noun}, Part {part}",
            "The {noun} and the {other}",
            "{adjective}",
        )
    )
    return form.format(adjective=adjective, noun=noun, other=other, part=rng.randint(1, 4))


def _track_count(rng: Random) -> int:
    spans = [span for span, _ in _TRACKS_OF_ONE]
    low, high = rng.choices(spans, [share for _, share in _TRACKS_OF_ONE])[0]
    return rng.randint(low, high)


def _spread(count: int, tracks: int) -> frozenset[int]:
    """`count` track numbers, evenly apart."""
    return frozenset((2 * place + 1) * tracks // (2 * count) + 1 for place in range(count))
