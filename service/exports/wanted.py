"""What an export shall hold, as it is asked for and as it is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Final, Self

from service.domain.instant import Instant, format_instant, parse_instant
from service.ledger.events import Json


class Format(StrEnum):
    """What a dataset's files are."""

    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"


_INSTANTS: Final = frozenset({"since", "until"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What datasets are narrowed by; None is all. `artist` is a reference, never a platform's id.

    `use` is a node: it covers what lies beneath. `since` is inclusive, `until` is not.
    """

    use: str | None = None
    recipient: str | None = None
    artist: str | None = None
    content: str | None = None
    run: str | None = None
    since: Instant | None = None
    until: Instant | None = None

    def given(self) -> dict[str, Any]:
        """Return those that narrow anything, by name."""
        found = ((one.name, getattr(self, one.name)) for one in fields(self))
        return {name: value for name, value in found if value is not None}

    def to_json(self) -> Json:
        """Return those that narrow anything, instants as text."""
        return {
            name: format_instant(value) if name in _INSTANTS else value
            for name, value in self.given().items()
        }

    @classmethod
    def from_json(cls, kept: Json) -> Self:
        """Read what `to_json` made."""
        values: Json = {
            name: parse_instant(value) if name in _INSTANTS else value
            for name, value in kept.items()
        }
        return cls(**values)


FILTERS: Final = tuple(one.name for one in fields(Filters))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One export: which datasets and packs, how they are written, and what they are narrowed by."""

    datasets: Sequence[str]
    packs: Sequence[str] = ()
    format: Format = Format.PARQUET
    filters: Filters = Filters()
    openings: bool = False

    def to_json(self) -> Json:
        """Return it as it is kept."""
        return {
            "datasets": list(self.datasets),
            "packs": list(self.packs),
            "format": self.format.value,
            "filters": self.filters.to_json(),
            "openings": self.openings,
        }

    @classmethod
    def from_json(cls, kept: Json) -> Self:
        """Read what `to_json` made."""
        return cls(
            datasets=tuple(kept["datasets"]),
            packs=tuple(kept["packs"]),
            format=Format(kept["format"]),
            filters=Filters.from_json(kept["filters"]),
            openings=kept["openings"],
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """The state that an export shows: after `revision` events, decisions up to `as_of`."""

    revision: int
    as_of: Instant
