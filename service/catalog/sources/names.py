"""When two spellings are one artist, and the identifier that follows from a name alone.

Two names are the same artist when they are equal in Unicode normalisation form C, without regard
to case (full case folding) and to how much white space stands between the words. Nothing else is
forgiven: an accent or a full stop makes another artist.
"""

import base64
import hashlib
import re
import unicodedata

from service.catalog.sources.track import ArtistName

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
_NOT_IN_SLUG = re.compile("[^a-z0-9]+")
_SLUG_LIMIT = 60
_DIGEST_BYTES = 10  # 80 bits: a million artists collide with a chance of about 4 in 10^13


def clean(text: str) -> str:
    """The text as it is shown: form C, control characters and runs of space made one space."""
    return " ".join(_CONTROLS.sub(" ", unicodedata.normalize("NFC", text)).split())


def identity(name: str) -> str:
    """The key under which two spellings of one artist's name meet."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", clean(name)).casefold())


def artist_id(name: str) -> str:
    """The identifier of an artist of whom only the name is known: readable part and digest.

    Deterministic; equal for two names exactly when their `identity` is. At most 77 characters of
    `a-z0-9-`, whatever the script of the name.

    Raises:
        ValueError: `name` is empty or only white space.

    """
    key = identity(name)
    if not key:
        raise ValueError("An artist without a name has no identifier: give a name.")
    return readable_id(name, key)


def named(name: str) -> ArtistName:
    """The artist of this name, cleaned for showing. Raises ValueError for an empty name."""
    return ArtistName(artist_id(name), clean(name))


def readable_id(label: str, key: str) -> str:
    """An identifier that people recognise by `label` and that only `key` decides."""
    plain = unicodedata.normalize("NFKD", label.casefold()).encode("ascii", "ignore").decode()
    slug = _NOT_IN_SLUG.sub("-", plain)[:_SLUG_LIMIT].strip("-")
    return f"{slug}-{digest(key)}" if slug else digest(key)


def digest(key: str) -> str:
    """Sixteen characters of `a-z2-7` that stand for `key`: 80 bits of its SHA-256."""
    hashed = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:_DIGEST_BYTES]
    return base64.b32encode(hashed).decode("ascii").lower()
