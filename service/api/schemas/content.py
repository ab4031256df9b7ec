"""Shapes of content."""

from typing import Annotated

from pydantic import Field, StringConstraints

from service.api.schemas.types import MOST_ROWS, Id, InstantOut, Name, Revision, Shape
from service.domain.events import ContentStatus


class ContentIn(Shape):
    """One content: its rightsholders in its own order, the first one first."""

    content: Id
    rightsholders: list[Id] = Field(max_length=100)
    status: ContentStatus = ContentStatus.ACTIVE
    isrc: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}[A-Z0-9]{3}[0-9]{7}$")] | None = None
    title: Name | None = None


class ContentsIn(Shape):
    """Content to add or replace, all of it or none."""

    content: list[ContentIn] = Field(min_length=1, max_length=MOST_ROWS)


class ContentsOut(Shape):
    """What putting did."""

    put: int
    unchanged: int
    revision: Revision


class ContentOut(Shape):
    """One content as it is now."""

    content: str
    rightsholders: list[str | None]
    status: ContentStatus
    isrc: str | None
    title: str | None
    put_at: InstantOut
    revision: Revision
