"""Shapes of artists and delegates."""

from pydantic import Field

from service.api.schemas.types import MOST_ROWS, Id, InstantOut, Name, Revision, Shape


class ArtistIn(Shape):
    """An artist to register."""

    artist: Id
    name: Name | None = None


class ArtistsIn(Shape):
    """Artists to register together."""

    artists: list[ArtistIn] = Field(min_length=1, max_length=MOST_ROWS)


class ArtistsOut(Shape):
    """What registering did."""

    registered: int
    already_registered: int
    revision: Revision


class ArtistOut(Shape):
    """A registered artist."""

    artist: str
    name: str | None
    registered_at: InstantOut
    revision: Revision


class DelegateIn(Shape):
    """What a delegate may do. Saying no is always among it."""

    may_opt_in: bool = False


class DelegateOut(Shape):
    """A delegation."""

    artist: str
    delegate: str
    may_opt_in: bool
    granted_at: InstantOut
    revoked_at: InstantOut | None
    revision: Revision


class DelegateList(Shape):
    """Everybody who acts or acted for an artist."""

    delegates: list[DelegateOut]
