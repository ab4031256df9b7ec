"""Events that there are few of, whatever the ledger's size: charter, policies, names, erasures.

They are read before all others, because what the others mean depends on them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from service.domain import uses
from service.domain.consent import Scope, answerable_leaves
from service.domain.policy import (
    Mode,
    PolicyDraft,
    PolicyVersion,
    refuse_policy,
    terms_of,
)
from service.verify.finding import Findings, What
from service.verify.leaf import Leaf, instant, period

KINDS: Final = frozenset(
    {
        "charter.opened",
        "charter.tightened",
        "use.named",
        "policy.published",
        "artist.erased",
        "decisions.sealed",
        "retention.set",
    }
)

Row: TypeAlias = tuple[Any, ...]


@dataclass(slots=True)
class Few:
    """What these events add up to. Rows end with the revision that they follow from."""

    charter: dict[int, Row] = field(default_factory=dict)
    uses: dict[str, Row] = field(default_factory=dict)
    versions: dict[str, list[PolicyVersion]] = field(default_factory=dict)
    erased: dict[str, tuple[int, int]] = field(default_factory=dict)
    """For each erased artist, the revision and the time of it."""
    sealed: dict[str, tuple[int, Leaf]] = field(default_factory=dict)
    retention: dict[str, Row] = field(default_factory=dict)
    kept_decisions: list[tuple[int, Any]] = field(default_factory=list)
    """Since when decisions were kept how long, each rule in its turn."""
    revisions: set[int] = field(default_factory=set)
    first_artists: int | None = None
    """The revision of the first registration: versions before it are launch terms."""
    _last_erased: int = 0

    @property
    def last_erased(self) -> int:
        """The revision at which somebody was erased last, or 0."""
        return self._last_erased

    def erase(self, subject: str, revision: int, at: int) -> None:
        """Take note that an artist was erased."""
        self.erased.setdefault(subject, (revision, at))
        self._last_erased = revision

    def erased_after(self, subject: str, revision: int) -> bool:
        """Tell whether an artist was erased, that event or later."""
        found = self.erased.get(subject)
        return found is not None and found[0] >= revision

    def version(self, use: str, number: int, before: int) -> PolicyVersion | None:
        """Return a version that was published before some revision, or None."""
        known = self.versions.get(use, ())
        if not 0 < number <= len(known) or known[number - 1].revision >= before:
            return None
        return known[number - 1]

    def latest(self, before: int) -> list[PolicyVersion]:
        """Return the latest version of each leaf of the tree of uses, before some revision."""
        found = []
        for versions in self.versions.values():
            number = bisect_right([one.revision for one in versions], before - 1)
            if number:
                found.append(versions[number - 1])
        return found


class Folding:
    """Adds these events up, in order, and holds each against the rules."""

    def __init__(self, findings: Findings, first_artists: int | None) -> None:
        """Begin before the first event."""
        self.few = Few(first_artists=first_artists)
        self._findings = findings

    def take(self, revision: int, leaf: Leaf) -> None:
        """Add one event; where it lacks what its kind has, that is found and it counts for none."""
        self.few.revisions.add(revision)
        try:
            at, kind = instant(leaf["at"]), leaf["type"]
            self._take(kind, revision, at, leaf)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._findings.add(
                What.EVENT_UNREADABLE, revision, "ledger", f"it lacks what its kind says: {error!r}"
            )

    def _take(self, kind: str, revision: int, at: int, leaf: Leaf) -> None:
        few = self.few
        if kind in {"charter.opened", "charter.tightened"}:
            self._charter(kind, revision, at, leaf)
        elif kind == "use.named":
            few.uses[leaf["use"]] = (leaf["names"], revision)
        elif kind == "policy.published":
            self._policy(revision, at, leaf)
        elif kind == "artist.erased":
            few.erase(leaf["subject"], revision, at)
        elif kind == "decisions.sealed":
            self._sealed(revision, leaf)
        elif kind == "retention.set":
            few.retention[leaf["what"]] = (leaf.get("keep"), at, revision)
            if leaf["what"] == "decisions":
                few.kept_decisions.append((at, leaf.get("keep")))

    def _charter(self, kind: str, revision: int, at: int, leaf: Leaf) -> None:
        least = period(leaf["min_notice_period"])
        before = list(self.few.charter.values())
        if (kind == "charter.opened") != (revision == 1):
            self._against(revision, "a ledger is opened by its first event, and only by that")
        if before and (least <= before[-1][1] or leaf["platform"] != before[-1][0]):
            self._against(revision, "a charter can only be tightened (R6)")
        self.few.charter[revision] = (leaf["platform"], least, at, revision)

    def _policy(self, revision: int, at: int, leaf: Leaf) -> None:
        use, known = leaf["use"], self.few.versions
        earlier = known.get(use, [])
        texts = frozenset(leaf["texts"].items())
        recipients = _texts(leaf["recipients"])
        version = PolicyVersion(
            use=use,
            version=len(earlier) + 1,
            mode=Mode(leaf["mode"]),
            recipients=frozenset(recipients),
            notice_period=period(leaf["notice_period"]),
            texts=texts,
            editorial=leaf["editorial"],
            launch=self.few.first_artists is None or revision < self.few.first_artists,
            terms=terms_of(earlier, texts, editorial=leaf["editorial"]),
            published_at=at,
            revision=revision,
        )
        if leaf["version"] != version.version:
            self._against(revision, f"{use} has {len(earlier)} versions before this one")
        if uses.leaf_conflict(use, known):
            self._against(revision, f"{use} is no leaf of the tree of uses")
        for why in self._refused(version, earlier):
            self._against(revision, why)
        known[use] = [*earlier, version]

    def _refused(self, version: PolicyVersion, earlier: list[PolicyVersion]) -> list[str]:
        draft = PolicyDraft(
            version.use,
            version.mode,
            version.recipients,
            version.notice_period,
            {},
            version.editorial,
        )
        charters = list(self.few.charter.values())
        refusals = refuse_policy(
            draft,
            version.texts,
            earlier,
            launch=version.launch,
            min_notice_period=charters[-1][1] if charters else 0,
        )
        return [refusal.message for refusal in refusals]

    def _sealed(self, revision: int, leaf: Leaf) -> None:
        period_ = leaf["period"]
        if period_ in self.few.sealed:
            self._against(revision, f"the decisions of {period_} were sealed before")
            return
        self.few.sealed[period_] = (revision, leaf)

    def _against(self, revision: int, why: str) -> None:
        self._findings.add(What.AGAINST_THE_RULES, revision, "ledger", why)


def _texts(value: object) -> list[str]:
    """Return a list of texts. Raises TypeError for anything else."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TypeError("there is no list of texts where there has to be one")
    return value


class Shown:
    """What a yes or a no names, and what a yes can be said to, as policies stood at a revision."""

    def __init__(self, few: Few) -> None:
        """Take the policies."""
        self._few = few
        published = [one.revision for some in few.versions.values() for one in some]
        self._published = sorted(published)
        self._names: dict[tuple[int, str], Mapping[str, int]] = {}
        self._answerable: dict[tuple[int, str, str | None], bool] = {}

    def names(self, before: int, use: str) -> Mapping[str, int]:
        """Return the latest version of each leaf that a record about this node covers (R4)."""
        key = self._age(before), use
        if key not in self._names:
            latest = self._few.latest(before)
            self._names[key] = {v.use: v.version for v in latest if uses.covers(use, v.use)}
        return self._names[key]

    def asks(self, before: int, use: str, recipient: str | None) -> bool:
        """Tell whether anybody was asked anything that a yes at this scope could answer (R4)."""
        key = self._age(before), use, recipient
        if key not in self._answerable:
            scope = Scope(use, None, recipient)
            self._answerable[key] = bool(answerable_leaves(scope, self._few.latest(before)))
        return self._answerable[key]

    def _age(self, before: int) -> int:
        """Return how many versions there were: between two of them nothing changes."""
        return bisect_right(self._published, before - 1)


def fold(events: Iterable[tuple[int, Leaf]], findings: Findings, first_artists: int | None) -> Few:
    """Return what these events, in order of revision, add up to."""
    folding = Folding(findings, first_artists)
    for revision, leaf in events:
        folding.take(revision, leaf)
    return folding.few
