"""Shapes of audit exports."""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, StringConstraints

from service.api.schemas.decisions import Word
from service.api.schemas.types import (
    LARGEST_REVISION,
    Id,
    InstantOut,
    InstantText,
    RecipientName,
    Revision,
    Shape,
    UseNode,
    storable,
)
from service.exports.asking import PREFIX
from service.exports.datasets import DATASETS
from service.exports.jobs import State
from service.exports.packs import PACKS
from service.exports.wanted import Format

_MOST: Final = 50
_LONGEST_NAME: Final = 100

ExportId = Annotated[
    str,
    StringConstraints(pattern=rf"^{PREFIX}[0-9a-f]{{32}}$"),
    Field(description="An export's id, as it was answered."),
]
FileName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=_LONGEST_NAME),
    AfterValidator(storable),
    Field(description="A file's name, as the manifest has it."),
]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_NAME)]


class ExportFilters(Shape):
    """What every dataset is narrowed by. One that cannot be narrowed so is refused."""

    use: UseNode | None = Field(default=None, description="A node: it covers what lies beneath.")
    recipient: RecipientName | None = None
    artist: Id | None = None
    content: Id | None = None
    run: Word | None = None
    since: InstantText | None = Field(default=None, description="From then on.")
    until: InstantText | None = Field(default=None, description="Before then.")


class ExportIn(Shape):
    """An export to be built."""

    datasets: list[_Name] = Field(
        default_factory=list,
        max_length=_MOST,
        description=f"Any of {', '.join(DATASETS)}.",
    )
    packs: list[_Name] = Field(
        default_factory=list, max_length=_MOST, description=f"Any of {', '.join(PACKS)}."
    )
    format: Format = Format.PARQUET
    filters: ExportFilters = Field(default_factory=ExportFilters)
    as_of: Annotated[int, Field(ge=1, le=LARGEST_REVISION)] | InstantText | None = Field(
        default=None,
        description="A revision, or an instant: the state as the service knew it then. Now, "
        "unless said.",
    )
    openings: bool = Field(
        default=False,
        description="Add to `consents` what proves each record against the ledger, for whoever "
        "has the bundle and for ever.",
    )


class ExportFiltersOut(Shape):
    """What it is narrowed by; `artist` is null also where they were erased."""

    use: str | None
    recipient: str | None
    artist: str | None
    content: str | None
    run: str | None
    since: InstantOut | None
    until: InstantOut | None


class ExportProgress(Shape):
    """How far it is. `expected` is null where nobody knows before it is done."""

    rows: int
    expected: int | None
    tries: int = Field(description="How often it was begun.")


class ExportOut(Shape):
    """One export as it stands."""

    export_id: str
    state: State
    requested_at: InstantOut
    requested_by: str = Field(description="The subject of the token that asked for it.")
    client: str
    datasets: list[str]
    packs: list[str]
    format: Format
    filters: ExportFiltersOut
    openings: bool
    revision: Revision
    as_of: InstantOut
    progress: ExportProgress
    error: str | None = Field(description="Why it failed, or is tried again.")
    finished_at: InstantOut | None
    expires_at: InstantOut | None


class ExportWhole(ExportOut):
    """One export, with its manifest once it is ready; docs/exports.md says what is in that.

    `files` are all files of the bundle, the manifest itself and its signature among them.
    """

    manifest: dict[str, Any] | None
    files: list[str]


class ExportList(Shape):
    """Exports, newest first. `next_cursor` is where to go on, or null."""

    exports: list[ExportOut]
    next_cursor: str | None
