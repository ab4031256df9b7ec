"""Random histories that keep every write rule, and the checks worth asking of them.

Everything is drawn from the `random.Random` that is passed in, so a seed is a history. The form of
events, histories and checks is the one `oracle` documents; instants are whole seconds, strictly
increasing, and the charter's `min_notice_period` is one second.

`broken_rules` states the write rules of section 3 as a check of any history, and is how the tests
know that what is generated could have been written.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any

Event = dict[str, Any]
History = dict[str, Any]
Check = dict[str, Any]

MIN_NOTICE_SECONDS = 1
LEAVES = (
    "training.tagging",
    "training.generative.music",
    "training.generative.voice",
    "discovery",
    "trainingdata",  # beside `training`, not beneath it
)
NODES = ("*", "training", "training.generative")
RECIPIENTS = ("internal", "partner:muse")
ARTISTS = ("ana", "ben", "cleo", "dora")
CONTENTS = ("t1", "t2", "t3", "t4")
TEXTS = ("A", "B", "C")
STRANGER = "nobody"


def random_history(
    rng: random.Random,
    size: int = 30,
    checks: int = 16,
    *,
    unregistered_rightsholders: bool = True,
) -> History:
    """Return `{"name", "events", "checks"}` of about `size` events and at most `checks` checks.

    With `unregistered_rightsholders` a content now and then names somebody who is not registered
    yet, or never will be.
    """
    writer = Writer(rng, unregistered_rightsholders=unregistered_rightsholders)
    for _ in range(rng.choice((0, 0, 1, 1, 2, 3))):
        writer.publish()
    for _ in range(rng.choice((1, 2, 2, 3))):
        writer.register()
    for _ in range(rng.choice((2, 3))):
        writer.put_content()
    while len(writer.events) < size:
        writer.anything()
    history: History = {"name": f"r{rng.getrandbits(48):012x}", "events": writer.events}
    history["checks"] = checks_for(history, rng, checks)
    return history


class Writer:
    """Appends one valid event at a time; a try that finds nothing valid appends none."""

    def __init__(self, rng: random.Random, *, unregistered_rightsholders: bool) -> None:
        """Start an empty ledger with a few leaves to publish for."""
        self.rng = rng
        self.unregistered_rightsholders = unregistered_rightsholders
        self.leaves = rng.sample(LEAVES, rng.choice((1, 2, 2, 3)))
        self.events: list[Event] = []
        self.now = 0
        self.registered: list[str] = []
        self.erased: set[str] = set()
        self.contents: dict[str, Event] = {}
        self.versions: dict[str, list[Event]] = {}
        self.scopes: list[tuple[str, str, str | None, str | None]] = []

    def append(self, kind: str, at: int | None = None, **fields: Any) -> Event:
        """Record one event a little later than the last, now and then on an edge to come."""
        ahead = [edge for edge in edge_instants({"events": self.events}) if edge > self.now]
        if at is not None:
            self.now = at
        elif ahead and self.rng.random() < 0.12:
            self.now = ahead[0]
        else:
            self.now += self.rng.choice((1, 1, 2, 5, 10, 25))
        event: Event = {"at": self.now, "type": kind, **fields}
        self.events.append(event)
        return event

    def alive(self) -> list[str]:
        """Return the artists who can still say something."""
        return [artist for artist in self.registered if artist not in self.erased]

    def anything(self) -> None:
        """Append one event of any kind."""
        kinds = (
            (self.publish, 25),
            (self.say, 38),
            (self.renew, 1.5),
            (self.deliver, 30),
            (self.put_content, 4),
            (self.register, 3),
            (self.erase, 0.5),
        )
        verbs, weights = zip(*kinds, strict=True)
        self.rng.choices(verbs, weights)[0]()

    # -- policies -------------------------------------------------------------------------------

    def publish(self) -> None:
        """Publish the next version of some leaf: editorial, resumed, or new."""
        use = self.rng.choice(self.leaves)
        versions = self.versions.setdefault(use, [])
        if versions and self.rng.random() < 0.25:
            event = self.append("policy", use=use, **self.editorial_over(versions[-1]))
        else:
            event = self.append("policy", use=use, **self.fresh_terms(versions))
        versions.append(event)

    def editorial_over(self, last: Event) -> Event:
        """Return a spelling change: everything but the text stays."""
        return {
            "mode": last["mode"],
            "recipients": list(last["recipients"]),
            "notice_seconds": last["notice_seconds"],
            "text": last["text"] + "'",
            "editorial": True,
        }

    def fresh_terms(self, versions: Sequence[Event]) -> Event:
        """Return a version with its own mode and recipients, under new or resumed words."""
        notice = self.rng.choice((5, 20, 50, 120))
        texts = list(TEXTS)
        if versions:
            notice = max(notice, versions[-1]["notice_seconds"])
            if self.rng.random() < 0.6:
                notice = versions[-1]["notice_seconds"]
            texts += [version["text"] for version in versions] * 2
        return {
            "mode": self.rng.choice(self.modes_after(versions)),
            "recipients": list(
                self.rng.choice((*(RECIPIENTS,) * 6, RECIPIENTS[:1], RECIPIENTS[1:]))
            ),
            "notice_seconds": notice,
            "text": self.rng.choice(texts),
            "editorial": False,
        }

    def modes_after(self, versions: Sequence[Event]) -> list[str]:
        """Return the modes the next version may have: `open` only at launch, and never again."""
        modes = [*["opt_out"] * 7, *["opt_in"] * 3, "prohibited"]
        was_open = [version["mode"] == "open" for version in versions]
        left_open = True in was_open and not was_open[-1]
        if not self.registered and not left_open:
            modes += ["open", "open"]
        return modes

    # -- people and tracks ----------------------------------------------------------------------

    def register(self) -> None:
        """Register the next artist, if one is left."""
        left = [artist for artist in ARTISTS if artist not in self.registered]
        if left:
            self.append("artist", artist=left[0])
            self.registered.append(left[0])

    def erase(self) -> None:
        """Erase an artist, but never the last one who can still speak."""
        alive = self.alive()
        if len(alive) > 1:
            artist = self.rng.choice(alive)
            self.append("erase", artist=artist)
            self.erased.add(artist)

    def put_content(self) -> None:
        """Put a content: a new one, or the same again with other rightsholders or status."""
        people = self.alive()
        if self.unregistered_rightsholders and self.rng.random() < 0.04:
            people = [*people, *(a for a in ARTISTS if a not in self.registered), STRANGER]
        count = self.rng.choice((1, 1, 1, 2, 2, 3))
        if self.rng.random() < 0.03:
            count = 0
        content = self.rng.choice(CONTENTS)
        fields: Event = {
            "content": content,
            "rightsholders": self.rng.sample(people, min(count, len(people))),
        }
        if self.rng.random() < 0.25:
            fields["status"] = self.rng.choice(
                ("active", "active", "active", "disputed", "removed")
            )
        self.contents[content] = self.append("content", **fields)

    # -- notices and answers --------------------------------------------------------------------

    def deliver(self) -> None:
        """Confirm that a notice arrived; mostly one that this artist was still to be told of."""
        published = [use for use, versions in self.versions.items() if versions]
        if not published or not self.alive():
            return
        artist = self.rng.choice(self.alive())
        told = {
            (event["use"], event["version"])
            for event in self.events
            if event["type"] == "delivery" and event["artist"] == artist
        }
        news = [
            (use, version)
            for use in published
            for version, event in enumerate(self.versions[use], start=1)
            if (use, version) not in told and event["mode"] == "opt_out" and not event["editorial"]
        ]
        if news and self.rng.random() < 0.75:
            use, version = self.rng.choice(news[-3:])
        else:
            use = self.rng.choice(published)
            version = self.rng.randint(1, len(self.versions[use]))
        self.append("delivery", use=use, version=version, artist=artist)

    def say(self) -> None:
        """Record a yes, a no or a taking back, often at a scope somebody spoke about before."""
        if not self.alive():
            return
        artist, use, content, recipient = self.scope()
        answer = self.rng.choice(("opt_in", "opt_in", "opt_in", "opt_out", "opt_out", "inherit"))
        if answer == "opt_in" and not covers_something(self.versions, use, recipient):
            answer = self.rng.choice(("opt_out", "inherit"))
        event = self.append(
            "consent",
            artist=artist,
            answer=answer,
            use=use,
            content=content,
            recipient=recipient,
            expires=None,
        )
        if answer == "opt_in" and self.rng.random() < 0.4:
            event["expires"] = self.now + self.rng.choice((3, 10, 30, 60, 150))
        self.scopes.append((artist, use, content, recipient))

    def renew(self) -> None:
        """Say yes again, for one use, at the very instant at which a wider yes runs out."""
        running = [
            event
            for event in self.events
            if event["type"] == "consent"
            and (event["expires"] or 0) > self.now
            and event["artist"] not in self.erased
        ]
        use = self.rng.choice(self.leaves)
        for event in running:
            wider = event["use"] != use and lies_under(use, event["use"])
            if wider and covers_something(self.versions, use, event["recipient"]):
                same = ("artist", "content", "recipient", "answer")
                fields = {field: event[field] for field in same}
                self.append("consent", at=event["expires"], use=use, expires=None, **fields)
                return

    def scope(self) -> tuple[str, str, str | None, str | None]:
        """Return an artist and a scope: use node, content or all, recipient or any."""
        before = [scope for scope in self.scopes if scope[0] not in self.erased]
        if before and self.rng.random() < 0.2:
            return self.rng.choice(before)
        artist = self.rng.choice(self.alive())
        theirs = [
            content
            for content, event in self.contents.items()
            if artist in event["rightsholders"] or self.rng.random() < 0.1
        ]
        content = self.rng.choice([*theirs, None, None])
        use = self.rng.choice([*self.leaves, *self.leaves, *NODES])
        return artist, use, content, self.rng.choice((None, None, *RECIPIENTS))


def lies_under(use: str, node: str) -> bool:
    """Say whether `use` is `node` or below it; `*` is the root of all."""
    return node in {"*", use} or use.startswith(node + ".")


def covers_something(
    versions: Mapping[str, Sequence[Event]], node: str, recipient: str | None
) -> bool:
    """Say whether a yes here reaches a leaf whose latest version asks this recipient's artists."""
    for use, published in versions.items():
        if not published or not lies_under(use, node):
            continue
        latest = published[-1]
        listed = recipient is None or recipient in latest["recipients"]
        if latest["mode"] in {"opt_in", "opt_out"} and listed:
            return True
    return False


# -- checks -------------------------------------------------------------------------------------


def edge_instants(history: Mapping[str, Any]) -> list[int]:
    """Return every event's instant, every closing of a window and every expiry, sorted."""
    edges = set()
    notices: dict[str, list[int]] = {}
    for event in history["events"]:
        edges.add(event["at"])
        if event["type"] == "policy":
            notices.setdefault(event["use"], []).append(event["notice_seconds"])
        elif event["type"] == "delivery":
            edges.add(event["at"] + notices[event["use"]][event["version"] - 1])
        elif event["type"] == "consent" and event["expires"] is not None:
            edges.add(event["expires"])
    return sorted(edges)


def check_instants(history: Mapping[str, Any], *, past: bool = False) -> list[int]:
    """Return each edge with the instants just before and after it, and one far beyond them all.

    Only from the last event on, when everything has been said, unless `past` asks for all.
    """
    last = history["events"][-1]["at"]
    edges = edge_instants(history)
    instants = {last, max(edges) + 1000}
    for edge in edges:
        instants.update((edge - 1, edge, edge + 1))
    return sorted(instant for instant in instants if instant >= (0 if past else last))


def checks_for(
    history: Mapping[str, Any], rng: random.Random, n: int, *, past: bool = False
) -> list[Check]:
    """Return up to `n` different checks at, just before and just after the edges of a history.

    Mostly a known leaf, recipient and content; now and then a stranger of each kind, an artist in
    place of a content, an inner node, or a `min_policy_version`. With `past`, instants before the
    last event are asked about too: those must be answered from the ledger's prefix up to then.
    """
    instants = check_instants(history, past=past)
    uses = sorted({e["use"] for e in history["events"] if e["type"] == "policy"})
    contents = sorted({e["content"] for e in history["events"] if e["type"] == "content"})
    artists = sorted({e["artist"] for e in history["events"] if e["type"] == "artist"})
    latest = {
        use: sum(1 for e in history["events"] if e["type"] == "policy" and e["use"] == use)
        for use in uses
    }
    found: list[Check] = []
    for _ in range(n * 4):
        if len(found) == n:
            break
        check: Check = {"at": rng.choice(instants)}
        known = uses and rng.random() < 0.98
        check["use"] = rng.choice(uses if known else [*LEAVES, *NODES, "unheard.of"])
        check["recipient"] = rng.choice((*RECIPIENTS * 12, "partner:other"))
        if artists and rng.random() < 0.2:
            check["artist"] = rng.choice([*artists * 6, STRANGER])
        else:
            check["content"] = rng.choice([*contents * 20, "t0"])
        if rng.random() < 0.15:
            check["min_policy_version"] = rng.randint(1, latest.get(check["use"], 0) + 1)
        if check not in found:
            found.append(check)
    return found


# -- the write rules, as a check of any history -------------------------------------------------


def broken_rules(history: Mapping[str, Any]) -> list[str]:
    """Return one line for each event that the write rules of section 3 would have refused."""
    broken: list[str] = []
    for position, event in enumerate(history["events"]):
        before = history["events"][:position]
        if before and event["at"] <= before[-1]["at"]:
            broken.append(f"{event}: recorded no later than the event before it")
        complaints = {
            "policy": policy_complaints,
            "consent": consent_complaints,
            "delivery": delivery_complaints,
            "artist": artist_complaints,
            "erase": erase_complaints,
            "content": content_complaints,
        }[event["type"]]
        broken += [f"{event}: {complaint}" for complaint in complaints(event, before)]
    return broken


def policy_complaints(event: Event, before: Sequence[Event]) -> list[str]:
    """R2, R6, R7: what is wrong with a version, given all that came before it."""
    policies = [e for e in before if e["type"] == "policy"]
    versions = [e for e in policies if e["use"] == event["use"]]
    complaints = [
        f"only leaves carry policies, and {other} is on the same branch"
        for other in {e["use"] for e in policies} - {event["use"]}
        if lies_under(other, event["use"]) or lies_under(event["use"], other)
    ]
    if not event["recipients"]:
        complaints.append("lists nobody")
    least = versions[-1]["notice_seconds"] if versions else MIN_NOTICE_SECONDS
    if event["notice_seconds"] < max(least, MIN_NOTICE_SECONDS):
        complaints.append("the notice period went down")
    if event["editorial"]:
        kept = ("mode", "recipients", "notice_seconds")
        if not versions:
            complaints.append("an editorial version needs a predecessor")
        elif any(event[field] != versions[-1][field] for field in kept):
            complaints.append("an editorial version changes nothing but the text")
    elif event["mode"] == "open":
        complaints += open_complaints(versions, before)
    return complaints


def open_complaints(versions: Sequence[Event], before: Sequence[Event]) -> list[str]:
    """R2: what is wrong with a version that opens new terms as `open`."""
    complaints = []
    if any(e["type"] == "artist" for e in before):
        complaints.append("only launch terms can be open")
    if any(e["mode"] == "open" for e in versions) and versions[-1]["mode"] != "open":
        complaints.append("a use that leaves open never returns to it")
    return complaints


def consent_complaints(event: Event, before: Sequence[Event]) -> list[str]:
    """R4: what is wrong with a record."""
    complaints = present_artist_complaints(event, before)
    if event["expires"] is not None:
        if event["answer"] != "opt_in":
            complaints.append("only a yes expires")
        if event["expires"] <= event["at"]:
            complaints.append("expires before it begins")
    versions: dict[str, list[Event]] = {}
    for earlier in before:
        if earlier["type"] == "policy":
            versions.setdefault(earlier["use"], []).append(earlier)
    yes = event["answer"] == "opt_in"
    if yes and not covers_something(versions, event["use"], event["recipient"]):
        complaints.append("a yes to nothing")
    return complaints


def delivery_complaints(event: Event, before: Sequence[Event]) -> list[str]:
    """R6: what is wrong with a confirmed delivery."""
    published = [e for e in before if e["type"] == "policy" and e["use"] == event["use"]]
    complaints = present_artist_complaints(event, before)
    if not 1 <= event["version"] <= len(published):
        complaints.append("no such version")
    return complaints


def artist_complaints(event: Event, before: Sequence[Event]) -> list[str]:
    """Say what is wrong with a registration."""
    again = any(e["type"] == "artist" and e["artist"] == event["artist"] for e in before)
    return ["registered twice"] if again else []


def erase_complaints(event: Event, before: Sequence[Event]) -> list[str]:
    """Say what is wrong with an erasure."""
    return present_artist_complaints(event, before)


def content_complaints(event: Event, before: Sequence[Event]) -> list[str]:
    """Say what is wrong with a content; whom it names is free, for R1 judges that later."""
    del before
    complaints = []
    if len(set(event["rightsholders"])) != len(event["rightsholders"]):
        complaints.append("names a rightsholder twice")
    if event.get("status", "active") not in {"active", "disputed", "removed"}:
        complaints.append("no such status")
    return complaints


def present_artist_complaints(event: Event, before: Sequence[Event]) -> list[str]:
    """Say whether the artist is registered and not erased."""
    mine = [e for e in before if e.get("artist") == event["artist"]]
    if not any(e["type"] == "artist" for e in mine):
        return ["the artist is not registered"]
    return ["the artist is erased"] if any(e["type"] == "erase" for e in mine) else []
