"""Consent records: dated statements by or for an artist, and what they speak about."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from service.domain import uses
from service.domain.instant import Instant
from service.domain.policy import ASKING, PolicyVersion
from service.domain.refusal import Refusal


class Answer(StrEnum):
    """What a record says: a yes, a no, or taking back what was said at exactly this scope."""

    OPT_IN = "opt_in"
    OPT_OUT = "opt_out"
    INHERIT = "inherit"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a record speaks about. None means all content, or any recipient."""

    use: str
    content: str | None = None
    recipient: str | None = None

    def covers(self, use: str, content: str | None, recipient: str) -> bool:
        """Tell whether a check of (use, content, recipient) falls under this scope (R3)."""
        return (
            uses.covers(self.use, use)
            and self.content in {None, content}
            and self.recipient in {None, recipient}
        )

    def at_least_as_specific_as(self, other: "Scope") -> bool:
        """Tell whether this scope is as narrow as the other in every dimension (R3)."""
        return (
            uses.covers(other.use, self.use)
            and other.content in {None, self.content}
            and other.recipient in {None, self.recipient}
        )


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """One statement, as the rules see it. `expires_at` belongs to a yes only."""

    revision: int
    recorded_at: Instant
    answer: Answer
    scope: Scope
    expires_at: Instant | None = None


def answerable_leaves(scope: Scope, latest: Iterable[PolicyVersion]) -> list[PolicyVersion]:
    """Return the versions among each leaf's latest ones that a yes at this scope can bind to."""
    return [
        version
        for version in latest
        if uses.covers(scope.use, version.use)
        and version.mode in ASKING
        and version.recipients
        and (scope.recipient is None or version.lists(scope.recipient))
    ]


def refuse_consent(
    answer: Answer,
    scope: Scope,
    expires_at: Instant | None,
    *,
    latest: Iterable[PolicyVersion],
    now: Instant,
) -> list[Refusal]:
    """Return every reason why the statement may not be recorded, or an empty list.

    `latest` holds the latest published version of each leaf. A no and a taking back are never
    refused for what the policies say: nobody has to find the right words to say no.
    """
    refusals = []
    if expires_at is not None and answer is not Answer.OPT_IN:
        refusals.append(
            Refusal("expires_at", "only_a_yes_expires", "only `opt_in` may carry an expiry (R4)")
        )
    if expires_at is not None and expires_at <= now:
        refusals.append(
            Refusal("expires_at", "already_expired", "the expiry has to lie in the future (R4)")
        )
    if answer is Answer.OPT_IN and not answerable_leaves(scope, latest):
        refusals.append(
            Refusal(
                "use",
                "nothing_to_say_yes_to",
                "no use under this scope asks artists and lists this recipient (R4)",
            )
        )
    return refusals


def refuse_shown(
    shown: dict[str, int], scope: Scope, latest: Iterable[PolicyVersion]
) -> list[Refusal]:
    """Return a refusal for each leaf whose version shown with a yes is not the latest (R4)."""
    covered = {v.use: v.version for v in latest if uses.covers(scope.use, v.use)}
    return [
        Refusal(
            f"shown.{use}",
            "outdated_version_shown" if use in covered else "not_covered",
            f"the latest version of {use} is {covered[use]}: show its text and ask again (R4)"
            if use in covered
            else f"{use} is not a use this scope covers",
        )
        for use, version in sorted(shown.items())
        if covered.get(use) != version
    ]
