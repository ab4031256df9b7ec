"""Whose names stand in one credit line: everybody who has a say.

A name split in error adds a rightsholder who has to agree as well; a name not split loses
somebody's say. So doubt is settled for splitting, and these are the rules:

1. Always between two artists: a comma or semicolon, `feat.`, `ft.`, `featuring`, `vs.`, `x` or
   its sign, `meets`, `presents`, `starring`, `w/`, and with spaces around them `/`, `|`, `+`, `&`.
   "Simon & Garfunkel" is therefore two: each of them has a say.
2. Words that names hold too (`and`, `with`, `und`, `et`, `y`, `con`, `avec`, `mit`, `meet`)
   separate where a name beside them is known from another credit, where the credit is a list
   anyway, or where both sides read as people's names ("Ada Byron and Max Born"). Otherwise the
   whole is one name: "Rain and Cellars".
3. A leader and a band ("Ada Byron & The Engines", "… & Her Orchestra", "… & Friends") are one
   artist unless one of the two is known from another credit. What is only somebody's ("Her
   Orchestra", "Friends") never becomes an artist by itself, for all such bands would be one: the
   whole credit stands for it.
4. `&`, `+` and `/` without spaces separate where a name beside them is known from another credit,
   or where every side is a capitalised word of three letters or more: "Baier/Holz" is two;
   "AC/DC", "And/Or" and "R&B Allstars" are one.
5. Left whole: numbers ("4,000 Telephones"), an article or rank put last ("Get, The"; "Miller,
   Jr."), a surname put first where the turned name is known ("Byron, Ada"), "Mr. & Mrs. Byron".
6. Who remixed is credited as well: "Ada Byron (Max Born remix)" is two.
7. Placeholders alone ("Various Artists", "Unknown Artist") name nobody, so that R1 denies; beside
   a name they stay, because somebody unnamed has a say there.

Everything is a pure function of the credit and of the names known from elsewhere.
"""

import re
from collections.abc import Collection, Iterable

from service.catalog.sources.names import clean, identity
from service.catalog.sources.track import TEXT_LIMIT, too_long

_SURE = re.compile(
    r"""
      (?: \s+ [(\[]? | [(\[] ) (?:featuring|feat|ft) (?!\w) \s?[.:]? \s*
    | \s+ (?:versus|vs) (?!\w) \.? \s+
    | \s+ (?:meets|presents|pres\.|starring|x) \s+
    | \s+ w/ \s*
    | \s+ [/|\u00b7\u2022] \s+
    | \s* [;\uff1b\u3001\uff0c\uff0f\u00d7\u2715] \s*
    | \s* (?: (?<!\d), | ,(?!\d{3}(?!\d)) )
      (?! \s* (?:jr|sr|ii|iii|iv|esq|phd|md|inc|ltd|llc|gmbh) (?!\w) )
      (?! \s* (?:the|an?|les?|l[ao]s?|el|die|der|das) \s* $ )
      (?: \s* (?:and|und|et|y|e|&) \s+ )? \s*
    """,
    re.VERBOSE | re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"\s+(&|\+|and|with|und|et|y|con|avec|mit|meet)\s+|\s*([\uff06\uff0b])\s*", re.IGNORECASE
)
_SIGNS = frozenset("&+\uff06\uff0b")
_TIGHT = re.compile(r"(?<=\w)[&+/](?=\w)")
_REMIXER = re.compile(
    r"[(\[]\s*([^()\[\]]+?)(?:['\u2019]s)?\s+(?:re-?mix|rmx|rework)\s*[)\]]", re.IGNORECASE
)
_REMIXED_IN_TITLE = re.compile(
    r"[(\[]\s*(?:(?:re-?mix(?:ed)?|rmx|rework)\s+by\s+(?P<by>[^()\[\]]+)"
    r"|(?P<own>[^()\[\]]+?)(?:['\u2019]s?)?\s+(?:re-?mix|rmx|rework)\b[^()\[\]]*)[)\]]",
    re.IGNORECASE,
)
_FEATURED = r"(?:featuring\s|feat\s?\.|feat:|ft\s?\.|feat\s(?!of\b))\s*"
_GUESTS_IN_TITLE = re.compile(
    rf"\(\s*(?:{_FEATURED}|ft\s)((?:[^()]|\([^()]*\))+)"
    rf"|\[\s*(?:{_FEATURED}|ft\s)([^\[\]]+)"
    rf"|\s{_FEATURED}([^()\[\]]+)",
    re.IGNORECASE,
)
_AFTER_GUESTS = re.compile(r"\s[-\u2013\u2014]\s")
_BACKING = re.compile(
    r"(?:(?:the|his|her|their|les|los|las|die|el|la|sein[e]?|ihre?)\s.+"
    r"|co\.?|company|friends|guests|sons|family|crew|others|band|orchestra|ensemble|more|al\.?)",
    re.IGNORECASE,
)
_ITS_OWN = re.compile(r"(?:the|les|los|las|die|el|la)\s.+", re.IGNORECASE)
_TITLE = r"(?:dj|mc|mrs?|ms|miss|mister|dr|prof|sir|sra?|lady|lord|madame?|señora?)"
_ONLY_TITLE = re.compile(_TITLE + r"\.?", re.IGNORECASE)
_TITLED = re.compile(_TITLE + r"(?:\.\s?|[\s_]+)\w.*", re.IGNORECASE)
_ARTICLE = re.compile(r"(?:the|an?|les?|l[ao]s?|el|die|der|das)\s", re.IGNORECASE)
_PARTICLES = frozenset(
    {"da", "de", "del", "den", "der", "di", "do", "du", "la", "le", "of", "van", "von", "zu"}
)
_PLACEHOLDER = re.compile(
    r"(?:(?:various|unknown|diverse|verschiedene|unbekannter?)(?:\s+(?:artists?|interpreten?))?"
    r"|v[./]?a\.?|\[unknown\]|anonymous|n/?a|[-?\s]*)",
    re.IGNORECASE,
)
_SHORTEST_KNOWN = 3
_PAIR = 2


def split_credit(credit: str, known: Collection[str] = frozenset()) -> tuple[str, ...]:
    """The artists named in `credit`, each once, in its order; empty where it names nobody.

    Args:
        credit: one credit line, as it is printed.
        known: the `identity` of every artist named in other credits; the more there are, the
            finer the split.

    Raises:
        ValueError: the line is longer than `TEXT_LIMIT`.

    """
    text = _credit_line(credit)
    if _PLACEHOLDER.fullmatch(text):
        return ()
    turned = _turned(text)
    if turned and identity(turned) in known:
        return (turned,)
    return _distinct(_artists(text, known, listed=False))


def guests_in_title(title: str, known: Collection[str] = frozenset()) -> tuple[str, ...]:
    """The artists whom a track's title credits beside its artist line.

    Whoever comes after `feat.`, `ft.` or `featuring`; and who remixed it, if known from a credit
    (a title's "Radio Remix" names nobody, and only the catalogue can tell).

    Raises:
        ValueError: the title is longer than `TEXT_LIMIT`.

    """
    text = _credit_line(title)
    found: list[str] = []
    for match in _GUESTS_IN_TITLE.finditer(text):
        guests = match[match.lastindex or 0]
        found += _artists(_AFTER_GUESTS.split(guests)[0], known, listed=True)
    for match in _REMIXED_IN_TITLE.finditer(text):
        remixers = _artists(match["by"] or match["own"], known, listed=True)
        if all(identity(name) in known for name in remixers):
            found += remixers
    return _distinct(name for name in found if not _PLACEHOLDER.fullmatch(name))


def known_names(credit: str) -> frozenset[str]:
    """What one credit teaches about the others: the identities of the names it surely holds."""
    if len(credit) > TEXT_LIMIT:
        return frozenset()
    return frozenset(identity(name) for name in split_credit(credit))


def _credit_line(text: str) -> str:
    if len(text) > TEXT_LIMIT:
        raise ValueError(too_long(text))
    return clean(text)


def _artists(text: str, known: Collection[str], *, listed: bool) -> list[str]:
    """Every name in `text`; `listed` says that it is already known to be a list of names."""
    remixers = _REMIXER.findall(text)
    pieces = [piece.strip() for piece in _SURE.split(_REMIXER.sub(" ", text))]
    if len(pieces) > 1:
        pieces = [_bare(piece) for piece in pieces if piece]
    names = [
        name
        for piece in pieces
        for name in _around_words(piece, known, listed=listed or len(pieces) > 1)
    ]
    for remixer in remixers:
        names += _artists(remixer, known, listed=listed)
    return names


def _around_words(piece: str, known: Collection[str], *, listed: bool) -> list[str]:
    """Cut at `&` and at the words of rule 2, where they stand between two artists."""
    first, *rest = [part for part in _BETWEEN.split(piece) if part is not None]
    pairs = list(zip(rest[::2], rest[1::2], strict=True))
    listed = listed or len(pairs) > 1
    names = [first]
    for word, right in pairs:
        whole = f"{names[-1]} {word} {right}"
        if not _parted(names[-1], word, right, known, listed=listed):
            names[-1] = whole
        elif _BACKING.fullmatch(right) and not _ITS_OWN.fullmatch(right):
            names.append(whole)
        else:
            names.append(right)
    return [name for joined in names for name in _around_signs(joined, known)]


def _parted(left: str, word: str, right: str, known: Collection[str], *, listed: bool) -> bool:
    """Whether `word` stands between two artists rather than inside one's name."""
    if _ONLY_TITLE.fullmatch(left):
        return False
    if identity(left) in known or identity(right) in known:
        return True
    if word.casefold() == "with":
        return listed or (_like_person(left) and _like_person(_ARTICLE.sub("", right, count=1)))
    if _BACKING.fullmatch(right):
        return False
    if word in _SIGNS:
        return True
    return listed or (_like_person(left) and _like_person(right))


def _around_signs(name: str, known: Collection[str]) -> list[str]:
    """Cut at `&`, `+` and `/` written without spaces, by rule 4."""
    parts = [part.strip() for part in _TIGHT.split(name)]
    if len(parts) == 1:
        return parts
    heard = any(len(part) >= _SHORTEST_KNOWN and identity(part) in known for part in parts)
    words = all(
        len(part) >= _SHORTEST_KNOWN and (part[0].isupper() or part[0].isdigit() or " " in part)
        for part in parts
    )
    return parts if heard or words else [name]


def _like_person(name: str) -> bool:
    """Whether it reads as a person's name: several capitalised words, or one after a title."""
    if _TITLED.fullmatch(name):
        return True
    words = name.split()
    if len(words) < _PAIR or _ARTICLE.match(name):
        return False
    return all(word in _PARTICLES or not word[0].islower() for word in words)


def _turned(text: str) -> str | None:
    """Turn "Byron, Ada" into "Ada Byron"; None where the credit is not of that form."""
    parts = [part.strip() for part in text.split(",")]
    return f"{parts[1]} {parts[0]}" if len(parts) == _PAIR and all(parts) else None


def _bare(piece: str) -> str:
    """The piece without a bracket at its edge whose other half went to another piece."""
    for opening, closing in ("()", "[]"):
        if piece.endswith(closing) and piece.count(closing) > piece.count(opening):
            piece = piece[:-1]
        if piece.startswith(opening) and piece.count(opening) > piece.count(closing):
            piece = piece[1:]
    return piece.strip()


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Each artist once, as first spelt; nobody without a name."""
    first: dict[str, str] = {}
    for name in map(clean, names):
        if name:
            first.setdefault(identity(name), name)
    return tuple(first.values())
