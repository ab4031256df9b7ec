"""Whose names stand in one credit line. The names are invented, or known to everybody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalog.sources.credits import guests_in_title, known_names, split_credit
from service.catalog.sources.names import clean, identity
from service.catalog.sources.track import TEXT_LIMIT

ADA, MAX, MIRA = "Ada Byron", "Max Born", "Mira Okafor"


def known(*names: str) -> frozenset[str]:
    """What other credits of the same catalogue name."""
    return frozenset(map(identity, names))


@pytest.mark.parametrize(
    "credit",
    [
        "Ada Byron, Max Born",
        "Ada Byron , Max Born",
        "Ada Byron,Max Born",
        "Ada Byron; Max Born",
        "Ada Byron & Max Born",
        "Ada Byron + Max Born",
        "Ada Byron / Max Born",
        "Ada Byron | Max Born",
        "Ada Byron x Max Born",
        "Ada Byron X Max Born",
        "Ada Byron \u00d7 Max Born",
        "Ada Byron\u00d7Max Born",
        "Ada Byron\uff06Max Born",
        "Ada Byron\u3001Max Born",
        "Ada Byron feat. Max Born",
        "Ada Byron Feat Max Born",
        "Ada Byron feat.Max Born",
        "Ada Byron (feat. Max Born)",
        "Ada Byron [feat. Max Born]",
        "Ada Byron ft Max Born",
        "Ada Byron Ft. Max Born",
        "Ada Byron ft .Max Born",
        "Ada Byron featuring Max Born",
        "Ada Byron vs Max Born",
        "Ada Byron VS. Max Born",
        "Ada Byron versus Max Born",
        "Ada Byron meets Max Born",
        "Ada Byron presents Max Born",
        "Ada Byron w/ Max Born",
        "Ada Byron w/Max Born",
        "Ada Byron (Max Born remix)",
        "Ada Byron [Max Born RMX]",
        "Ada Byron (Max Born's Rework)",
        "Ada Byron and Max Born",
        "Ada Byron with Max Born",
        "Ada Byron und Max Born",
        "Ada Byron et Max Born",
        "Ada Byron y Max Born",
        "Ada Byron/Max Born",
    ],
)
def test_two_people_in_one_line_are_two_rightsholders(credit: str) -> None:
    """Whatever stands between them."""
    assert split_credit(credit) == (ADA, MAX)


@pytest.mark.parametrize(
    ("credit", "names"),
    [
        ("Ada Byron, Max Born and Mira Okafor", (ADA, MAX, MIRA)),
        ("Ada Byron, Max Born, and Mira Okafor", (ADA, MAX, MIRA)),
        ("Ada Byron, Max Born & Mira Okafor", (ADA, MAX, MIRA)),
        ("Ada & Max & Mira", ("Ada", "Max", "Mira")),
        ("Ada and Max and Mira", ("Ada", "Max", "Mira")),
        ("Ada Byron feat. Max, Mira and Zora", (ADA, "Max", "Mira", "Zora")),
        ("Ada Byron feat. Max And Mira Okafor", (ADA, "Max", MIRA)),
        ("Ada & Max vs. Mira ft. Zora", ("Ada", "Max", "Mira", "Zora")),
        ("Ada Byron & Max Born with Mira Okafor", (ADA, MAX, MIRA)),
        ("DJ Ada, DJ Ada & Max", ("DJ Ada", "Max")),
        ("Ada, ADA, ada", ("Ada",)),
        ("Ada Byron with the Town Hall Players", (ADA, "the Town Hall Players")),
        ("MC Ada and Mr. Born", ("MC Ada", "Mr. Born")),
        ("Ludwig van Sande and Max Born", ("Ludwig van Sande", MAX)),
        ("Ada Byron (Max Born & Mira Okafor Remix)", (ADA, MAX, MIRA)),
        ("Area 51, 808 Kate", ("Area 51", "808 Kate")),
        ("Crosby, Stills, Nash & Young", ("Crosby", "Stills", "Nash", "Young")),
        ("Simon & Garfunkel", ("Simon", "Garfunkel")),
        ("Ada Byron, ", ("Ada Byron",)),
        ("Byron, Jr., Max Born", ("Byron, Jr.", MAX)),
    ],
)
def test_a_list_is_taken_apart_to_the_last_name(credit: str, names: tuple[str, ...]) -> None:
    """In the order of the credit, everybody once."""
    assert split_credit(credit) == names


@pytest.mark.parametrize(
    "name",
    [
        "Ada Byron",
        "Rain and Cellars",
        "Hide and Shout",
        "Walking With Ada",
        "The Girl With Two Hats",
        "Pop und Brot",
        "Hic Et Nunc",
        "4,000,000 Telephones",
        "Kettles, The",
        "Byron, Jr.",
        "Mr. & Mrs. Byron",
        "AC/DC",
        "And/Or",
        "R&B Allstars",
        "Us&Them",
        "[//cut//]",
        "the.queen.and.the.pea",
        "Malcolm X",
        "X Marks",
        "VS",
        "Featherweight",
        "Ft. Ada",
        "Defeat the Meets",
        "Marx Brothers",
        "Ada Byron (The Countess)",
        ":(",
        "Sunn O)))",
        "!!!",
        "Ada Byron & The Engines",
        "Ada Byron and the Engines",
        "Ada Byron & Her Orchestra",
        "Ada Byron + Friends",
        "Ada & Co.",
        "Ada B. & Les Machines",
    ],
)
def test_one_name_stays_one_rightsholder(name: str) -> None:
    """What only looks like a list is nobody else's."""
    assert split_credit(name) == (name,)


@pytest.mark.parametrize(
    ("credit", "elsewhere", "names"),
    [
        ("Rain and Cellars", ["Rain"], ("Rain", "Cellars")),
        ("Walking With Ada", ["ADA"], ("Walking", "Ada")),
        ("Ada Byron & The Engines", ["Ada Byron"], (ADA, "The Engines")),
        ("Ada Byron and the Engines", ["The Engines"], (ADA, "the Engines")),
        ("dub/fen", ["Fen", "Dub"], ("dub", "fen")),
        ("tal+Mira", ["Mira"], ("tal", "Mira")),
        ("Byron, Ada", ["Ada Byron"], (ADA,)),
        ("Ada meet Max", ["Max"], ("Ada", "Max")),
    ],
)
def test_a_name_known_from_another_credit_is_a_name_here(
    credit: str, elsewhere: list[str], names: tuple[str, ...]
) -> None:
    """An artist in their own right is not hidden in somebody's compound name."""
    assert split_credit(credit, known(*elsewhere)) == names


@pytest.mark.parametrize("band", ["Ada Byron & Her Orchestra", "Ada Byron and Friends"])
def test_what_is_only_somebodys_never_becomes_an_artist(band: str) -> None:
    """Else "Her Orchestra" and "Friends" would be one artist for all leaders there are."""
    assert split_credit(band, known("Ada Byron", "Friends")) == ("Ada Byron", band)


@pytest.mark.parametrize(
    "nobody",
    ["", "  ", "-", "?", "Various Artists", "various", "VA", "V.A.", "Unknown Artist", "[unknown]"],
)
def test_a_placeholder_names_nobody(nobody: str) -> None:
    """So that R1 denies, instead of a made-up artist being bound by silence."""
    assert split_credit(nobody) == ()


def test_a_placeholder_beside_a_name_keeps_its_place() -> None:
    """Somebody unnamed has a say there, so the named one must not decide alone."""
    assert split_credit("Ada Byron feat. Various Artists") == (ADA, "Various Artists")


def test_what_a_credit_teaches_about_others() -> None:
    """The names it surely holds, and a doubtful compound only as a whole."""
    assert known_names("Ada feat. Max") == known("Ada", "Max")
    assert known_names("Rain and Cellars") == known("Rain and Cellars")


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("Slow Ferry (feat. Max Born)", ("Max Born",)),
        ("Slow Ferry (Feat Max Born)", ("Max Born",)),
        ("Slow Ferry [ft. Max Born & Mira]", ("Max Born", "Mira")),
        ("Slow Ferry (ft Max)", ("Max",)),
        ("Slow Ferry feat. Max Born", ("Max Born",)),
        ("Slow Ferry feat.Max", ("Max",)),
        ("Slow Ferry - Feat. Max", ("Max",)),
        ("Slow Ferry featuring Max - Live", ("Max",)),
        ("Slow Ferry (Featuring Max) (Album Version)", ("Max",)),
        ("Slow Ferry (feat. M[a]x)", ("M[a]x",)),
        ("Slow Ferry (ft. Max (Moss) Born, Mira)", ("Max (Moss) Born", "Mira")),
        ("Slow Ferry (Mira Remix)", ("Mira",)),
        ("Slow Ferry (Mira's Remix, 1999)", ("Mira",)),
        ("Slow Ferry (remixed by Mira)", ("Mira",)),
        ("Slow Ferry [Remix by Mira]", ("Mira",)),
    ],
)
def test_guests_in_a_title_have_a_say(title: str, names: tuple[str, ...]) -> None:
    """A featured artist is credited there as often as in the artist line; so is who remixed."""
    assert guests_in_title(title, known("Mira")) == names


@pytest.mark.parametrize(
    "title",
    [
        "Slow Ferry",
        "Slow Ferry (Radio Remix)",
        "Remix",
        "A Feat of Strength",
        "No Small Feat",
        "Defeat",
        "Ten Ft Tall",
        "Max and Mira",
        "Slow Ferry (feat. )",
    ],
)
def test_a_title_that_credits_nobody(title: str) -> None:
    """Names in a title are what it is about, unless it says otherwise."""
    assert guests_in_title(title, known("Max")) == ()


def test_an_absurd_line_is_refused_rather_than_read() -> None:
    """Nobody's name is that long, and nobody may hold the importer up with one."""
    with pytest.raises(ValueError, match="1000 are the most"):
        split_credit("a and " * TEXT_LIMIT)
    with pytest.raises(ValueError, match="1000 are the most"):
        guests_in_title("(remix " * TEXT_LIMIT)
    assert known_names("a, " * TEXT_LIMIT) == frozenset()


PIECES = st.sampled_from(
    [
        *("Ada", "Max Born", "DJ", "The ", "4,000", "é", "ft", "(", ")", "[", " remix)"),
        *(" ", ",", "., ", " & ", "/", "+", "\u00d7", " x ", " feat. ", " and ", " with The "),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=60))
def test_every_line_gives_names_and_each_only_once(credit: str) -> None:
    """No line fails, no name is empty, no artist has two votes; and it is so every time."""
    names = split_credit(credit)
    assert names == split_credit(credit)
    assert all(clean(name) == name and name for name in names)
    assert len({identity(name) for name in names}) == len(names)
    guests_in_title(credit, known("Ada"))


@given(st.lists(PIECES, max_size=12).map("".join), st.sampled_from(["Ada", "Max Born"]))
def test_knowing_more_never_silences_anybody(credit: str, name: str) -> None:
    """Evidence only ever splits finer, save that a turned name is recognised."""
    assert len(split_credit(credit, known(name))) >= min(1, len(split_credit(credit)))
