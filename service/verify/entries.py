"""Entries as outsiders have them: one after the other, with nothing beside them."""

from service.verify.few import KINDS, Few, Folding
from service.verify.finding import Findings, What
from service.verify.leaf import Leaf, instant, read_leaf


class Entries:
    """Reads entries in order, and holds each against those before it and against the rules."""

    def __init__(self, findings: Findings) -> None:
        """Begin before the first."""
        self._findings = findings
        self._folding = Folding(findings, None)
        self._last_at: int | None = None

    @property
    def few(self) -> Few:
        """What few of them add up to so far: charter, policies, names, erasures."""
        return self._folding.few

    def take(self, revision: int, entry: bytes, named: str) -> Leaf | None:
        """Return what an entry says, or None where it says nothing; `named` is for people."""
        self._findings.saw("entries")
        try:
            leaf = read_leaf(entry)
            at = instant(leaf["at"])
        except ValueError as error:
            self._findings.add(What.EVENT_UNREADABLE, revision, named, str(error))
            return None
        if self._last_at is not None and at <= self._last_at:
            says = "it is not later than the one before it"
            self._findings.add(What.EVENT_OUT_OF_TIME, revision, named, says)
        self._last_at = at
        self._hold_against_the_rules(revision, leaf, named)
        return leaf

    def _hold_against_the_rules(self, revision: int, leaf: Leaf, named: str) -> None:
        few = self._folding.few
        if leaf["type"] == "artists.registered" and few.first_artists is None:
            few.first_artists = revision
        if leaf["type"] in KINDS:
            self._folding.take(revision, leaf)
        elif "commitment" in leaf and leaf.get("subject") in few.erased:
            says = "an erased artist can say nothing any more"
            self._findings.add(What.AGAINST_THE_RULES, revision, named, says)
