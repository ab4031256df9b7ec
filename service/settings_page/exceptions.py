"""The records about single tracks, and whether each does anything now."""

from typing import TypeAlias

from service.domain.assessment import PERMITS, Assessment, Standing
from service.domain.consent import ConsentRecord
from service.settings_page.view import Kind, View

_Where: TypeAlias = tuple[Kind, int]


class Exceptions:
    """All of them, newest first; each kind of track is judged once."""

    def __init__(self, view: View) -> None:
        """Take the artist's view."""
        self._view = view
        self._known: dict[_Where, bool] = {}
        self.records = sorted(
            (record for records in view.tracks.values() for record in records),
            key=lambda record: -record.revision,
        )

    def page(self, before: int | None, limit: int) -> tuple[list[ConsentRecord], int | None]:
        """Return the records of revisions below `before`, and where the next page starts."""
        left = [one for one in self.records if before is None or one.revision < before]
        page = left[:limit]
        return page, page[-1].revision if len(left) > limit else None

    def lifted(self, record: ConsentRecord) -> bool:
        """Tell whether the record does nothing now, on any column (see `TrackException`)."""
        content = record.scope.content or ""
        kind = self._view.kind(content)
        if kind is None:
            return self._judge(record)
        where = kind, self._view.tracks[content].index(record)
        if where not in self._known:
            self._known[where] = self._judge(record)
        return self._known[where]

    def _judge(self, record: ConsentRecord) -> bool:
        idle: bool | None = None
        for use, recipient in self._view.columns(record.scope):
            column = self._view.column(use, recipient, record.scope.content)
            if _acts(record, column.assess(self._view.now)):
                return False
            idle = True
        return idle or False


def _acts(record: ConsentRecord, found: Assessment) -> bool:
    """Tell whether the record decides anything here: a no that stands, a yes that permits."""
    applied = next(one for one in found.applied if one.record.revision == record.revision)
    if applied.denies_since is not None:
        return applied.lifted_by is None
    return applied.standing is Standing.VALID_YES and found.reason in PERMITS
