"""A second reading of the rules R1 to R9, kept as plain as possible so that a person can check it.

Nothing here is fast and nothing is shared with the service: every question walks the whole list of
events again. A history is a mapping with `events`, a list of mappings in the order they were
recorded; all instants are whole seconds since the ledger was opened.

Events, by `type`:

- `policy`: `use`, `mode`, `recipients`, `notice_seconds`, `text`, `editorial`; the n-th of a use is
  its version n;
- `artist`: `artist`, a registration;
- `erase`: `artist`;
- `content`: `content`, `rightsholders` in order, and optionally `status`; a later one replaces it;
- `delivery`: `use`, `version`, `artist`, a confirmed arrival;
- `consent`: `artist`, `answer`, `use`, `content` or None, `recipient` or None, `expires` or None.

A check has `at`, `use`, `recipient`, either `content` or `artist`, and optionally
`min_policy_version`. It is answered from the events recorded up to `at` and from nothing later.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Event = Mapping[str, Any]
History = Mapping[str, Any]
Check = Mapping[str, Any]

PERMITTED = ("open", "window_closed", "opted_in")
DENIED = (
    "unknown_use",
    "unknown_content",
    "content_removed",
    "content_disputed",
    "no_rightsholder",
    "unknown_artist",
    "artist_erased",
    "prohibited",
    "recipient_not_listed",
    "opted_out",
    "opt_in_expired",
    "reconsent_required",
    "no_opt_in",
    "not_notified",
    "window_open",
)
REASONS = PERMITTED + DENIED


class Answer(NamedTuple):
    """What the rules say at one instant.

    `policy_version` is the version that governs by R7 for the rightsholder whose reason is given,
    or None where no version binds that rightsholder or the question never got that far.
    """

    permitted: bool
    reason: str
    policy_version: int | None = None


class Record(NamedTuple):
    """One current consent record that covers the checked use, content and recipient."""

    said_at: int
    answer: str
    use: str
    content: str | None
    recipient: str | None
    expires: int | None


class NotOneIntervalError(Exception):
    """R9 is broken: the answers to a check are permitted again after they were denied."""


class No(NamedTuple):
    """A no with the instant it dates from: a plain opt-out, or a yes that ran out."""

    dated: int
    scope: Record
    reason: str


class Yes(NamedTuple):
    """A yes that is good on the checked column now, with the version it was shown."""

    scope: Record
    version: int


def answer(history: History, check: Check, *, lapse_is_final: bool = True) -> Answer:
    """Answer one check from the events recorded up to `check["at"]`, judged at that instant.

    `lapse_is_final` is R4 as written: a yes that has lapsed stays lapsed. False lets a yes come
    back once a version governs again that has its terms; see `tests/judge/test_oracle.py` for why
    both are here.
    """
    return answer_later(history, check, check["at"], lapse_is_final=lapse_is_final)


def answer_later(
    history: History, check: Check, instant: int, *, lapse_is_final: bool = True
) -> Answer:
    """Answer the check at `instant`, at or after `check["at"]`, if nothing is said in between."""
    events = [event for event in history["events"] if event["at"] <= check["at"]]
    return Judge(events, check, instant, lapse_is_final=lapse_is_final).decide()


def interval(
    history: History, check: Check, *, lapse_is_final: bool = True
) -> tuple[int | None, int | None]:
    """Return the first permitted instant from `check["at"]` on, and the denied one that ends it.

    R9: with nothing more said, the answers from the check on are one half-open interval. `(None,
    None)` means never, and `(start, None)` means for ever. Raises NotOneIntervalError if the
    answers do not form one.
    """
    start: int | None = None
    until: int | None = None
    for instant in candidate_instants(history, check):
        permitted = answer_later(history, check, instant, lapse_is_final=lapse_is_final).permitted
        if permitted:
            if until is not None:
                raise NotOneIntervalError(check, start, until, instant)
            if start is None:
                start = instant
        elif start is not None and until is None:
            until = instant
    return start, until


def candidate_instants(history: History, check: Check) -> list[int]:
    """Return the check's instant and every later one at which a window closes or a yes runs out."""
    instants = {check["at"]}
    events = [event for event in history["events"] if event["at"] <= check["at"]]
    for event in events:
        if event["type"] == "consent" and event["expires"] is not None:
            instants.add(event["expires"])
        if event["type"] == "delivery":
            version = versions_of(events, event["use"])[event["version"] - 1]
            instants.add(event["at"] + version["notice_seconds"])
    return sorted(instant for instant in instants if instant >= check["at"])


def versions_of(events: Sequence[Event], use: str) -> list[Event]:
    """Return the published versions of exactly this use; version n is at position n - 1."""
    return [event for event in events if event["type"] == "policy" and event["use"] == use]


def is_under(use: str, node: str) -> bool:
    """Say whether `use` is `node` or lies beneath it in the tree of uses; `*` is above all."""
    return node in {"*", use} or use.startswith(node + ".")


def covers(wide: str | None, narrow: str | None) -> bool:
    """Say whether one dimension of a scope (None for all) takes in the other."""
    return wide is None or wide == narrow


class Judge:
    """One ledger prefix, one check, one instant."""

    def __init__(
        self, events: Sequence[Event], check: Check, now: int, *, lapse_is_final: bool
    ) -> None:
        """Keep the question; nothing is worked out until it is asked for."""
        self.events = events
        self.now = now
        self.use: str = check["use"]
        self.recipient: str = check["recipient"]
        self.content: str | None = check.get("content")
        self.artist: str | None = check.get("artist")
        self.least: int = check.get("min_policy_version") or 0
        self.lapse_is_final = lapse_is_final
        self.versions = versions_of(events, self.use)

    # -- the whole question ---------------------------------------------------------------------

    def decide(self) -> Answer:  # noqa: PLR0911 -- one return for each reason
        """Answer for one content or one artist: R1 first, then every rightsholder (R8)."""
        # R1: a use is known by its policy, and only leaves have one.
        if not self.versions:
            return Answer(permitted=False, reason="unknown_use")
        if self.content is None:
            assert self.artist is not None
            return self.decide_for(self.artist)
        latest: Event | None = None
        for event in self.events:
            if event["type"] == "content" and event["content"] == self.content:
                latest = event
        # R1: the content must be known, active and have somebody to ask.
        if latest is None:
            return Answer(permitted=False, reason="unknown_content")
        status = latest.get("status", "active")
        if status != "active":
            return Answer(permitted=False, reason=f"content_{status}")
        if not latest["rightsholders"]:
            return Answer(permitted=False, reason="no_rightsholder")
        # R8: every rightsholder must permit; the first in the content's order who denies is named.
        # Where all permit, the first one's reason is given (the shared cases confirm that).
        answers = [self.decide_for(artist) for artist in latest["rightsholders"]]
        for one in answers:
            if not one.permitted:
                return one
        return answers[0]

    def decide_for(  # noqa: C901, PLR0911, PLR0912 -- one branch for each reason, in their order
        self, artist: str
    ) -> Answer:
        """Answer for one rightsholder, with the reasons in the order section 3 lists them."""
        # R1: an artist who is unknown or erased permits nothing.
        if self.registered_at(artist) is None:
            return Answer(permitted=False, reason="unknown_artist")
        if any(e["type"] == "erase" and e["artist"] == artist for e in self.events):
            return Answer(permitted=False, reason="artist_erased")

        governing = self.governing(artist, self.now)
        records = self.current_records(artist)
        yeses = self.valid_yeses(artist, records)
        standing = self.standing_noes(records, yeses)

        # Section 5, min_policy_version: a version below the one asked for does not count as
        # binding, and neither does a yes that was shown an older one.
        binding = governing if governing is not None and governing >= self.least else None
        good_yes = any(yes.version >= self.least for yes in yeses)

        def denied(reason: str) -> Answer:
            return Answer(permitted=False, reason=reason, policy_version=governing)

        def permitted(reason: str) -> Answer:
            return Answer(permitted=True, reason=reason, policy_version=governing)

        if binding is not None:
            mode, listed = self.mode(binding), self.lists(binding)
            # R2 open: without asking; R3: a no denies in every mode but this one.
            if mode == "open" and listed:
                return permitted("open")
            # R4: a valid yes permits at once, even to a version still in its window. It comes
            # before silence, being the stronger ground (the shared cases confirm the order).
            if good_yes and not standing:
                return permitted("opted_in")
            # R2 prohibited: never. R1: a recipient that the governing version does not list.
            if mode == "prohibited":
                return denied("prohibited")
            if not listed:
                return denied("recipient_not_listed")
            # R2, R5: silence permits under opt_out and only there, to an artist who is bound.
            if mode == "opt_out" and not standing:
                return permitted("window_closed")
        elif good_yes and not standing:
            # R4: no version binds yet, but a yes was said to one that is pending.
            return permitted("opted_in")

        # R3: any no that stands denies; a plain no is named before a yes that ran out.
        if any(no.reason == "opted_out" for no in standing):
            return denied("opted_out")
        if standing:
            return denied("opt_in_expired")
        # R4: somebody said yes, but it no longer holds, or never held, on this column.
        if self.has_useless_yes(records, yeses):
            return denied("reconsent_required")
        if binding is not None:
            return denied("no_opt_in")
        # R5, R6: nothing binds yet; either a window is running or nobody was told.
        return denied("window_open" if self.a_window_is_running(artist) else "not_notified")

    # -- R6 and R7: which version governs -------------------------------------------------------

    def governing(self, artist: str, instant: int) -> int | None:
        """R7: the highest version that binds the artist on this column at the instant."""
        highest = None
        for version, binds_at in enumerate(self.binding_instants(artist), start=1):
            if binds_at is not None and binds_at <= instant:
                highest = version
        return highest

    def binding_instants(self, artist: str) -> list[int | None]:
        """R7: from when each version binds the artist on this column; None for not yet known."""
        found: list[int | None] = []
        for version in range(1, len(self.versions) + 1):
            found.append(self.binds_at(artist, version, found))
        return found

    def binds_at(self, artist: str, version: int, earlier: Sequence[int | None]) -> int | None:
        """R7 for one version, given from when each earlier one binds."""
        registered = self.registered_at(artist)
        assert registered is not None
        published: int = self.published_at(version)

        # R7, first: launch terms bind from the artist's registration.
        first_artist = min(e["at"] for e in self.events if e["type"] == "artist")
        if published < first_artist:
            return registered

        # R7, second: silence permits nothing under it, so nobody needs to be warned.
        if self.mode(version) in {"prohibited", "opt_in"} or not self.lists(version):
            return max(published, registered)

        # R7, fourth: an editorial version goes where its predecessor goes and never ahead of it.
        # Taken before the third, so that a pending window is never jumped (worked example 4).
        if self.versions[version - 1]["editorial"]:
            before = earlier[version - 2]
            return None if before is None else max(published, before)

        # R7, third: the version that governs the artist at the moment of publication already lets
        # silence permit this recipient under the same terms. "Bound" means governed: an older
        # version behind a narrower one no longer counts, or narrowing could be undone at a stroke.
        if self.mode(version) == "opt_out" and registered <= published:
            governed_by = None
            for number, instant in enumerate(earlier, start=1):
                if instant is not None and instant <= published:
                    governed_by = number
            if (
                governed_by is not None
                and self.mode(governed_by) in {"opt_out", "open"}
                and self.lists(governed_by)
                and self.terms(governed_by) == self.terms(version)
            ):
                return published

        # R7, last: when this artist's own window for this version closes.
        return self.window_closes_at(artist, version)

    def window_closes_at(self, artist: str, version: int) -> int | None:
        """R6: the first confirmed delivery of this version's notice plus its notice period."""
        for event in self.events:
            if (
                event["type"] == "delivery"
                and event["use"] == self.use
                and event["version"] == version
                and event["artist"] == artist
            ):
                return int(event["at"] + self.versions[version - 1]["notice_seconds"])
        return None

    def a_window_is_running(self, artist: str) -> bool:
        """R6: a version that is asked about was delivered and is yet to bind this artist."""
        for version, binds_at in enumerate(self.binding_instants(artist), start=1):
            if version >= self.least and binds_at is not None and binds_at > self.now:
                return True
        return False

    def terms(self, version: int) -> int:
        """R7, same terms: name a version's terms by the version that first opened them."""
        this = self.versions[version - 1]
        if this["editorial"]:
            return self.terms(version - 1)
        for earlier in range(1, version):
            if self.versions[earlier - 1]["text"] == this["text"]:
                return self.terms(earlier)
        return version

    # -- R3 and R4: what the artist said --------------------------------------------------------

    def current_records(self, artist: str) -> list[Record]:
        """R3: the newest record of every scope that covers the check, unless it is `inherit`."""
        records = []
        consents = [e for e in self.events if e["type"] == "consent" and e["artist"] == artist]
        for position, event in enumerate(consents):
            replaced = any(
                (later["use"], later["content"], later["recipient"])
                == (event["use"], event["content"], event["recipient"])
                for later in consents[position + 1 :]
            )
            applies = (
                is_under(self.use, event["use"])
                and covers(event["content"], self.content)
                and covers(event["recipient"], self.recipient)
            )
            if applies and not replaced and event["answer"] != "inherit":
                records.append(
                    Record(
                        event["at"],
                        event["answer"],
                        event["use"],
                        event["content"],
                        event["recipient"],
                        event["expires"],
                    )
                )
        return records

    def valid_yeses(self, artist: str, records: Sequence[Record]) -> list[Yes]:
        """R4: the yeses that hold on this column now, each with the version it was shown."""
        yeses = []
        for record in records:
            if record.answer != "opt_in" or self.ran_out(record):
                continue
            # R4: it names the latest version published when it was said; a leaf that was declared
            # later is not covered.
            shown = sum(1 for version in self.versions if version["at"] <= record.said_at)
            if shown == 0:
                continue
            # R4: there must have been something to say yes to, for this recipient.
            if self.mode(shown) not in {"opt_in", "opt_out"} or not self.lists(shown):
                continue
            if not self.has_lapsed(artist, record, shown):
                yeses.append(Yes(record, shown))
        return yeses

    def has_lapsed(self, artist: str, record: Record, shown: int) -> bool:
        """R4: a later version governs, or governed since, that the yes does not reach."""
        instants = [self.now]
        if self.lapse_is_final:
            # R4, "from then on": what governed at any time since counts, and that only ever changes
            # when some version begins to bind.
            instants += [
                binds_at
                for binds_at in self.binding_instants(artist)
                if binds_at is not None and record.said_at <= binds_at <= self.now
            ]
        for instant in instants:
            governing = self.governing(artist, instant)
            if governing is None or governing <= shown:
                continue
            if (
                self.terms(governing) != self.terms(shown)
                or self.mode(governing) == "prohibited"
                or not self.lists(governing)
            ):
                return True
        return False

    def standing_noes(self, records: Sequence[Record], yeses: Sequence[Yes]) -> list[No]:
        """R3: every no that no valid, later, at least as specific yes lifts."""
        noes = []
        for record in records:
            if record.answer == "opt_out":
                noes.append(No(record.said_at, record, "opted_out"))
            elif self.ran_out(record):
                # R4: an expired yes is a no, dated at its expiry, at its scope, whether or not it
                # had lapsed and whatever it had covered.
                assert record.expires is not None
                noes.append(No(record.expires, record, "opt_in_expired"))
        return [no for no in noes if not any(self.lifts(yes.scope, no) for yes in yeses)]

    def lifts(self, yes: Record, no: No) -> bool:
        """R3: later, and at least as specific in every dimension."""
        return (
            yes.said_at > no.dated
            and is_under(yes.use, no.scope.use)
            and covers(no.scope.content, yes.content)
            and covers(no.scope.recipient, yes.recipient)
        )

    def has_useless_yes(self, records: Sequence[Record], yeses: Sequence[Yes]) -> bool:
        """R4: a yes is on record for this scope, has not run out, and yet does not hold here."""
        held = [yes.scope for yes in yeses]
        return any(
            record.answer == "opt_in" and not self.ran_out(record) and record not in held
            for record in records
        )

    def ran_out(self, record: Record) -> bool:
        """R4: the expiry is the first instant at which the yes no longer holds."""
        return record.expires is not None and record.expires <= self.now

    # -- plain look-ups -------------------------------------------------------------------------

    def registered_at(self, artist: str) -> int | None:
        """Return when the artist was first registered, if ever."""
        for event in self.events:
            if event["type"] == "artist" and event["artist"] == artist:
                return int(event["at"])
        return None

    def published_at(self, version: int) -> int:
        """Return when the version was published."""
        return int(self.versions[version - 1]["at"])

    def mode(self, version: int) -> str:
        """Return the version's mode."""
        return str(self.versions[version - 1]["mode"])

    def lists(self, version: int) -> bool:
        """Say whether the version lists the checked recipient."""
        return self.recipient in self.versions[version - 1]["recipients"]
