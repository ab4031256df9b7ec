"""Which columns a reader wants to hear of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.decisions.changes.touched import Anew
from service.domain import uses
from service.domain.policy import PolicyVersion


@dataclass(frozen=True, slots=True)
class Wanted:
    """The columns under a node of the uses, for one recipient or for all that a version lists."""

    node: str = uses.ROOT
    recipient: str | None = None

    def columns(self, versions: Mapping[str, Sequence[PolicyVersion]]) -> list[tuple[str, str]]:
        """Return the columns, in order. One that no version has ever listed permits nothing."""
        return sorted(
            (use, recipient)
            for use, known in versions.items()
            if uses.covers(self.node, use)
            for recipient in {one for version in known for one in version.recipients}
            if self.recipient in {None, recipient}
        )

    def wants(self, anew: Anew) -> bool:
        """Tell whether any of these columns has to be asked about anew."""
        return anew.use is None or uses.covers(self.node, anew.use)
