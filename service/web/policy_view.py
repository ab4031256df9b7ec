"""What the public pages show of policies: who may use what since when, and what changed.

Pure: from the versions as the rules see them to what is put into the templates.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import ClassVar, Final, TypeAlias
from urllib.parse import quote

from service.domain.instant import Duration, Instant
from service.domain.policy import Mode, PolicyVersion
from service.web.i18n import Language
from service.web.typeset import Block, typeset, unmarked
from service.web.word_diff import Piece, word_diff

PATH: Final = "/policies"

Names: TypeAlias = Mapping[str, Mapping[str, str]]
"""What each node of the tree of uses is called, by locale."""

Texts: TypeAlias = Mapping[int, Mapping[str, str]]
"""The words of one use's versions, by number and locale."""


class Holds(StrEnum):
    """From when on a version holds for an artist, as far as all artists have it in common (R7)."""

    LAUNCH = "launch"
    AT_ONCE = "at_once"
    EDITORIAL = "editorial"
    BY_WINDOW = "by_window"


@dataclass(frozen=True, slots=True)
class Terms:
    """On what condition these recipients may use the music, under one version, since when.

    `by_window` says that the version holds for each artist once their own window has closed; then
    `since` is the earliest instant at which any window can.
    """

    recipients: tuple[str, ...]
    mode: Mode
    version: int
    since: Instant
    by_window: bool
    begun: bool


@dataclass(frozen=True, slots=True)
class UseSummary:
    """One use on the page of all uses. `mode` is that of its latest version."""

    use: str
    name: str
    mode: Mode
    versions: int
    changed_at: Instant
    planned: bool
    terms: tuple[Terms, ...]


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """The uses beneath one first step of the path."""

    node: str
    name: str
    uses: tuple[UseSummary, ...]


@dataclass(frozen=True, slots=True)
class AllPolicies:
    """Lists every use by group, with who may use what under which mode since when."""

    template: ClassVar[str] = "policies.html.j2"

    groups: tuple[GroupSummary, ...]


@dataclass(frozen=True, slots=True)
class PublishedWords:
    """A version's words in one locale: to read, to check by their hash, and as plain text."""

    locale: str
    sha256: str
    address: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class WordsChanged:
    """What happened to the words in one locale; no pieces where it is no word that changed.

    `before` and `after` say whether the locale was there, and is.
    """

    locale: str
    before: bool
    after: bool
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Differences:
    """What a version changed, compared with the one before. None stands for what it kept."""

    mode_before: Mode | None
    recipients_added: tuple[str, ...]
    recipients_removed: tuple[str, ...]
    notice_period_before: Duration | None
    words: tuple[WordsChanged, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a use.

    `first_window` is the earliest instant at which a window for it can close, `window_begun`
    whether that has come; `replaced_by` the next version that is not editorial. `resumes` is the
    number of the version whose terms it takes up again.
    """

    version: int
    mode: Mode
    recipients: tuple[str, ...]
    notice_period: Duration
    published_at: Instant
    revision: int
    holds: Holds
    first_window: Instant
    window_begun: bool
    resumes: int | None
    replaced_by: int | None
    words: tuple[PublishedWords, ...]
    differences: Differences | None


@dataclass(frozen=True, slots=True)
class OnePolicy:
    """Shows every version of one use, the newest first. `group` is what its group is called."""

    template: ClassVar[str] = "policy.html.j2"

    use: str
    name: str
    group: str
    terms: tuple[Terms, ...]
    versions: tuple[Version, ...]


def _waits(version: PolicyVersion) -> bool:
    """Tell whether only a window can make this version hold for somebody (R7)."""
    return (
        version.mode is Mode.OPT_OUT
        and bool(version.recipients)
        and not version.launch
        and not version.editorial
    )


def _roots(versions: Sequence[PolicyVersion]) -> list[PolicyVersion]:
    """Return for each version itself, or for an editorial one the version that it spells anew."""
    roots: list[PolicyVersion] = []
    for version in versions:
        roots.append(roots[-1] if version.editorial and roots else version)
    return roots


def terms_of(versions: Sequence[PolicyVersion], now: Instant) -> tuple[Terms, ...]:
    """Return who may use the music now, and who is to once windows have closed.

    It is judged for each recipient alone (R7): a version that leaves one out needs no window there.
    """
    alike: dict[tuple[bool, Instant, int], list[str]] = {}
    for recipient in _in_order(frozenset().union(*(v.recipients for v in versions))):
        for by_window, since, version in _conditions(versions, recipient):
            alike.setdefault((by_window, since, version), []).append(recipient)
    return tuple(
        Terms(
            recipients=tuple(recipients),
            mode=versions[version - 1].mode,
            version=version,
            since=since,
            by_window=by_window,
            begun=now >= since,
        )
        for (by_window, since, version), recipients in sorted(alike.items())
    )


def _conditions(
    versions: Sequence[PolicyVersion], recipient: str
) -> Iterator[tuple[bool, Instant, int]]:
    """Yield (only by window, since when, under which version) for one recipient."""
    roots = _roots(versions)
    at_once = [
        version
        for version, root in zip(versions, roots, strict=True)
        if not (_waits(root) and root.lists(recipient))
    ]
    base = at_once[-1] if at_once else None
    if base is not None and base.lists(recipient) and base.mode is not Mode.PROHIBITED:
        yield False, _since(versions, base, recipient), base.version
    latest, root = versions[-1], roots[-1]
    if _waits(root) and root.lists(recipient) and not _goes_on(base, latest, recipient):
        yield True, root.published_at + root.notice_period, latest.version


def _since(versions: Sequence[PolicyVersion], base: PolicyVersion, recipient: str) -> Instant:
    """Return since when a recipient has been under this mode without a break."""
    before = takewhile(
        lambda version: version.mode is base.mode and version.lists(recipient),
        reversed(versions[: base.version]),
    )
    return min(version.published_at for version in before)


def _goes_on(base: PolicyVersion | None, latest: PolicyVersion, recipient: str) -> bool:
    """Tell whether the recipient goes on under the same terms, with no window to wait for."""
    return (
        base is not None
        and base.terms == latest.terms
        and base.lists(recipient)
        and base.mode in {Mode.OPT_OUT, Mode.OPEN}
    )


def _in_order(recipients: Iterable[str]) -> list[str]:
    """Return the platform itself first, then its partners by name."""
    return sorted(recipients, key=lambda recipient: (recipient != "internal", recipient))


def grouped(
    versions: Mapping[str, Sequence[PolicyVersion]],
    names: Names,
    language: Language,
    now: Instant,
) -> tuple[GroupSummary, ...]:
    """Return every use by group, groups and uses in order of their paths."""
    nodes: dict[str, list[UseSummary]] = {}
    for use in sorted(versions):
        summary = _summary(use, versions[use], language.name_of(names.get(use, {}), use), now)
        nodes.setdefault(use.partition(".")[0], []).append(summary)
    return tuple(
        GroupSummary(node, language.name_of(names.get(node, {}), node), tuple(uses))
        for node, uses in nodes.items()
    )


def _summary(use: str, versions: Sequence[PolicyVersion], name: str, now: Instant) -> UseSummary:
    terms = terms_of(versions, now)
    return UseSummary(
        use=use,
        name=name,
        mode=versions[-1].mode,
        versions=len(versions),
        changed_at=versions[-1].published_at,
        planned=any(row.by_window and not row.begun for row in terms),
        terms=terms,
    )


def group_name(use: str, names: Names, language: Language) -> str:
    """Return what the group of a use is called."""
    node = use.partition(".")[0]
    return language.name_of(names.get(node, {}), node)


def told_of(
    versions: Sequence[PolicyVersion], texts: Texts, language: Language, now: Instant
) -> tuple[Version, ...]:
    """Return every version as it is shown, the newest first."""
    roots = _roots(versions)
    told = []
    for place, (version, root) in enumerate(zip(versions, roots, strict=True)):
        later = (v.version for v in versions[place + 1 :] if not v.editorial)
        closes_at = root.published_at + root.notice_period
        before = versions[place - 1] if place else None
        told.append(
            Version(
                version=version.version,
                mode=version.mode,
                recipients=tuple(_in_order(version.recipients)),
                notice_period=version.notice_period,
                published_at=version.published_at,
                revision=version.revision,
                holds=_holds(version),
                first_window=closes_at,
                window_begun=now >= closes_at,
                resumes=_resumes(version),
                replaced_by=next(later, None),
                words=_words(version, texts[version.version], language),
                differences=_differences(before, version, texts, language) if before else None,
            )
        )
    return tuple(reversed(told))


def _holds(version: PolicyVersion) -> Holds:
    if version.launch:
        return Holds.LAUNCH
    if version.editorial:
        return Holds.EDITORIAL
    return Holds.BY_WINDOW if _waits(version) else Holds.AT_ONCE


def _resumes(version: PolicyVersion) -> int | None:
    resumes = version.terms != version.version and not version.editorial
    return version.terms if resumes else None


def _words(
    version: PolicyVersion, texts: Mapping[str, str], language: Language
) -> tuple[PublishedWords, ...]:
    hashes = dict(version.texts)
    place = f"{PATH}/{quote(version.use)}/{version.version}"
    return tuple(
        PublishedWords(
            locale, hashes[locale], f"{place}/{quote(locale)}.txt", typeset(texts[locale])
        )
        for locale in _first_the_readers(texts, language)
    )


def _first_the_readers(locales: Iterable[str], language: Language) -> list[str]:
    first = language.locale_of(locales)
    return sorted(locales, key=lambda locale: (locale != first, locale))


def _differences(
    before: PolicyVersion, after: PolicyVersion, texts: Texts, language: Language
) -> Differences:
    old, new = texts[before.version], texts[after.version]
    return Differences(
        mode_before=before.mode if before.mode is not after.mode else None,
        recipients_added=tuple(_in_order(after.recipients - before.recipients)),
        recipients_removed=tuple(_in_order(before.recipients - after.recipients)),
        notice_period_before=(
            before.notice_period if before.notice_period != after.notice_period else None
        ),
        words=tuple(
            WordsChanged(
                locale,
                locale in old,
                locale in new,
                _compared(old.get(locale), new.get(locale)),
            )
            for locale in _first_the_readers({*old, *new}, language)
            if old.get(locale) != new.get(locale)
        ),
    )


def _compared(before: str | None, after: str | None) -> tuple[Piece, ...]:
    """Return what changed in the words; nothing where one of the two texts is not there."""
    if before is None or after is None:
        return ()
    return word_diff(unmarked(before), unmarked(after))
