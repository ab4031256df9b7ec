"""A refusal is a value with a reason: which field, which rule, and what to do instead."""

from dataclasses import dataclass
from enum import StrEnum


class RefusalKind(StrEnum):
    """What sort of thing is in the way."""

    INVALID = "invalid"
    UNKNOWN = "unknown"
    CONFLICT = "conflict"
    NOT_ALLOWED = "not_allowed"
    PRECONDITION_REQUIRED = "precondition_required"
    """It has to be said what the decision rests on."""
    OUTDATED = "outdated"
    """What the decision rests on is not what holds any more."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a write is not taken. `code` is stable; `message` tells a person what to do."""

    field: str
    code: str
    message: str


class Refused(Exception):  # noqa: N818 - a refusal is an outcome, not an error
    """Carries refusals out of a write; whoever raises it has changed nothing yet."""

    def __init__(self, refusals: list[Refusal], kind: RefusalKind = RefusalKind.INVALID) -> None:
        """Take at least one refusal."""
        super().__init__("; ".join(f"{r.field}: {r.message}" for r in refusals))
        self.refusals = refusals
        self.kind = kind


def refuse(field: str, code: str, message: str, kind: RefusalKind = RefusalKind.INVALID) -> Refused:
    """Return the exception for a single refusal."""
    return Refused([Refusal(field, code, message)], kind)
