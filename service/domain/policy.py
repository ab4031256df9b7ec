"""Policies: the terms of one leaf use, in numbered versions that are never edited."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from service.domain.instant import Duration, Instant, format_duration
from service.domain.refusal import Refusal


class Mode(StrEnum):
    """What silence means under a version (R2)."""

    PROHIBITED = "prohibited"
    OPT_IN = "opt_in"
    OPT_OUT = "opt_out"
    OPEN = "open"


ASKING = frozenset({Mode.OPT_IN, Mode.OPT_OUT})
"""The modes under which a yes can be given."""


@dataclass(frozen=True, slots=True)
class PolicyDraft:
    """A version somebody wants to publish. `texts` holds the words by locale, byte for byte."""

    use: str
    mode: Mode
    recipients: frozenset[str]
    notice_period: Duration
    texts: Mapping[str, str]
    editorial: bool = False


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One published version, as the rules see it.

    `texts` holds the SHA-256 of each locale's words. `terms` is the number of the version whose
    terms it carries: its own, or an earlier one's when it is editorial or resumes that one's words.
    """

    use: str
    version: int
    mode: Mode
    recipients: frozenset[str]
    notice_period: Duration
    texts: frozenset[tuple[str, str]]
    editorial: bool
    launch: bool
    terms: int
    published_at: Instant
    revision: int

    def lists(self, recipient: str) -> bool:
        """Tell whether this version allows for the recipient at all."""
        return recipient in self.recipients


def terms_of(
    earlier: Sequence[PolicyVersion], texts: frozenset[tuple[str, str]], *, editorial: bool
) -> int:
    """Return the number of the version whose terms the next one carries (R7, "same terms")."""
    if editorial and earlier:
        return earlier[-1].terms
    for version in reversed(earlier):
        if version.texts == texts:
            return version.terms
    return len(earlier) + 1


def refuse_policy(
    draft: PolicyDraft,
    texts: frozenset[tuple[str, str]],
    earlier: Sequence[PolicyVersion],
    *,
    launch: bool,
    min_notice_period: Duration,
) -> list[Refusal]:
    """Return every reason why the draft may not become the next version, or an empty list.

    `texts` are the draft's words as the ledger keeps them (locale, SHA-256); `launch` says whether
    no artist has been registered yet.
    """
    refusals = [*_refuse_notice_period(draft, earlier, min_notice_period)]
    if draft.mode is Mode.OPEN:
        refusals += _refuse_open(draft, earlier, launch=launch)
    if draft.editorial:
        refusals += _refuse_editorial(draft, texts, earlier)
    return refusals


def _refuse_notice_period(
    draft: PolicyDraft, earlier: Sequence[PolicyVersion], minimum: Duration
) -> list[Refusal]:
    least = max([minimum, *(version.notice_period for version in earlier)])
    if draft.notice_period >= least:
        return []
    floor = "the charter's minimum" if least == minimum else "what an earlier version promised"
    return [
        Refusal(
            "notice_period",
            "notice_period_too_short",
            f"the window may not be shorter than {format_duration(least)}, {floor} (R6)",
        )
    ]


def _refuse_open(
    draft: PolicyDraft, earlier: Sequence[PolicyVersion], *, launch: bool
) -> list[Refusal]:
    if any(version.mode is not Mode.OPEN for version in earlier):
        return [
            Refusal(
                "mode",
                "open_not_possible",
                "this use has left `open` or never was; it cannot become compulsory (R2)",
            )
        ]
    if not launch and not draft.editorial:
        return [
            Refusal(
                "mode",
                "open_not_possible",
                "only launch terms can be `open`, and artists are registered already (R2)",
            )
        ]
    return []


def _refuse_editorial(
    draft: PolicyDraft, texts: frozenset[tuple[str, str]], earlier: Sequence[PolicyVersion]
) -> list[Refusal]:
    if not earlier:
        return [Refusal("editorial", "nothing_to_edit", "a first version cannot be editorial (R7)")]
    latest = earlier[-1]
    kept = {
        "mode": draft.mode is latest.mode,
        "recipients": draft.recipients == latest.recipients,
        "notice_period": draft.notice_period == latest.notice_period,
    }
    refusals = [
        Refusal(
            field,
            "editorial_changes_more",
            f"an editorial version keeps the {field} of version {latest.version} (R7)",
        )
        for field, same in kept.items()
        if not same
    ]
    if any(v.texts == texts and v.terms != latest.terms for v in earlier):
        refusals.append(
            Refusal(
                "editorial",
                "editorial_resumes_other_terms",
                "these are the words of earlier, other terms: publish them without the mark (R7)",
            )
        )
    return refusals
