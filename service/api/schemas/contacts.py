"""Shapes of contacts."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from service.api.schemas.types import MOST_ROWS, Id, InstantOut, Locale, Shape, storable

EmailText = Annotated[
    str,
    StringConstraints(min_length=3, max_length=254),
    AfterValidator(storable),
    Field(description="An e-mail address.", examples=["artist@mail.example"]),
]


class ContactIn(Shape):
    """Where one artist can be reached. What is null or left out is taken back."""

    artist: Id
    email: EmailText | None = None
    locale: Locale | None = None


class ContactsIn(Shape):
    """Contacts to keep together, one row an artist."""

    contacts: list[ContactIn] = Field(min_length=1, max_length=MOST_ROWS)


class ContactsOut(Shape):
    """What keeping them did."""

    contacts: int
    changed: int


class ContactOut(Shape):
    """Where an artist can be reached; nulls where nobody has said."""

    artist: str
    email: str | None
    locale: str | None
    updated_at: InstantOut | None
