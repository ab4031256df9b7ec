"""Indexes to keep, made from histories without a database, and files of them in memory."""

import io
import os
from collections.abc import Iterable
from hashlib import sha256

from service.decisions.compiled.spelling import Hashing
from service.decisions.index import Index
from service.decisions.snapshots.file import read_index, write_index
from service.domain.events import ArtistErased, ArtistsRegistered
from tests.domain.histories import Event
from tests.ledger.writing import KEY

SEED = b"sixteen bytes of tests"


def name_of(subject: str) -> str:
    """Return what the platform calls an artist: found in nothing else."""
    return f"known-as-{subject}-to-all"


def erased(events: Iterable[Event]) -> set[str]:
    """Return those who are erased in these events."""
    return {fact.artist for _, fact in events if isinstance(fact, ArtistErased)}


def feed(index: Index, events: Iterable[Event], nameless: Iterable[str] = ()) -> Index:
    """Let an index take further events; a database no longer knows the names of the nameless."""
    for at, fact in events:
        registered = fact.artists if isinstance(fact, ArtistsRegistered) else ()
        names = {one: name_of(one) for one in registered if one not in nameless}
        index.apply(index.revision + 1, at, fact, names)
        leaf = sha256(f"{index.revision} {fact}".encode()).digest()
        index.range = index.range.append(leaf)
    return index


def new_index(events: Iterable[Event] = (), nameless: Iterable[str] = ()) -> Index:
    """Return an index of the events."""
    return feed(Index(Hashing(SEED)), events, nameless)


def written(index: Index, key: bytes = KEY) -> bytes:
    """Return an index as a file."""
    file = io.BytesIO()
    write_index(file, index, key, os.urandom)
    return file.getvalue()


def read(text: bytes, key: bytes = KEY) -> Index:
    """Return the index in a file."""
    return read_index(io.BytesIO(text), len(text), key)
