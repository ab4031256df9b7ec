"""The main story, played over HTTP as a platform, its artists, a label and a pipeline would.

Every scene says what it expects; anything else is a Surprise and ends the demo.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from rich.console import Console

from client import Connection, local_tokens
from service.catalog.sources.track import BadRow, Track
from service.clock import Clock
from service.domain.instant import Duration

Json: TypeAlias = dict[str, Any]

MOST_PER_REQUEST = 10_000
WINDOW_SECONDS = 3
NEW_USE = "organisation.mood_detection"
LAUNCH_USE = "discovery.recommendation"
SINGLE_CHECKS = 1_000


class Surprise(Exception):  # noqa: N818 - the story's own word
    """Something else happened than the rules promise."""


@dataclass(slots=True)
class Cast:
    """The catalogue as the story needs it: who plays which part."""

    tracks: list[str] = field(default_factory=list)
    artists: dict[str, str] = field(default_factory=dict)
    tracks_of: dict[str, list[str]] = field(default_factory=dict)
    duets: list[tuple[str, tuple[str, str]]] = field(default_factory=list)

    def watch(self, rows: Iterable[Track | BadRow]) -> Iterator[Track | BadRow]:
        """Pass the catalogue on and remember who is in it."""
        for row in rows:
            if isinstance(row, Track):
                self._remember(row)
            yield row

    def _remember(self, track: Track) -> None:
        self.tracks.append(track.content_id)
        for artist in track.artists:
            self.artists[artist.artist_id] = artist.name
        if len(track.artists) == 1:
            self.tracks_of.setdefault(track.artists[0].artist_id, []).append(track.content_id)
        if len(track.artists) == 2:  # noqa: PLR2004 - a duet is two
            first, second = track.artists
            self.duets.append((track.content_id, (first.artist_id, second.artist_id)))

    def soloists(self, number: int) -> list[str]:
        """Return artists with at least two tracks of their own who sing no duet."""
        singing = {artist for _, pair in self.duets for artist in pair}
        found = [a for a, tracks in self.tracks_of.items() if len(tracks) > 1 and a not in singing]
        if len(found) < number:
            message = f"this catalogue has {len(found)} artists with tracks of their own only"
            raise Surprise(message)
        return found[:number]


@dataclass(slots=True)
class Tally:
    """How many checks, and how long they took."""

    content: int = 0
    took: list[Duration] = field(default_factory=list)


class Story:
    """Plays the scenes against one running service."""

    def __init__(self, url: str, secret: str, console: Console, clock: Clock) -> None:
        """Take the service's address and the development clients' secret."""
        self._clock = clock
        self._url = url
        self._secret = secret
        self._console = console
        self.tally = Tally()
        self.platform = self.connect("platform")
        self.policy_desk = self.connect("policy-desk")
        self.pipeline = self.connect("pipeline")

    def connect(self, client_id: str, subject: str | None = None) -> Connection:
        """Return a connection with tokens of this client, for a person if one is named."""
        tokens = local_tokens(self._url, client_id, self._secret, subject=subject)
        return Connection(self._url, tokens)

    @contextmanager
    def scene(self, title: str) -> Iterator[None]:
        """Announce a scene."""
        self._console.print(f"\n[bold]{title}[/bold]")
        yield

    def tell(self, line: str) -> None:
        """Print one line of the story."""
        self._console.print(f"  {line}")

    def check(self, use: str, content: Sequence[str], **options: object) -> list[Json]:
        """Ask as the pipeline, in as many requests as it takes."""
        results: list[Json] = []
        for start in range(0, len(content), MOST_PER_REQUEST):
            began = self._clock.monotonic()
            answer = self.pipeline.check(use, content[start : start + MOST_PER_REQUEST], **options)
            self.tally.took.append(self._clock.monotonic() - began)
            results += answer["results"]
        self.tally.content += len(content)
        return results

    def expect(self, use: str, content: str, reason: str) -> Json:
        """Check one content, show the answer, and insist on its reason."""
        result = self.check(use, [content])[0]
        word = "[green]yes[/green]" if result["permitted"] else "[red]no[/red]"
        until = f", until {result['valid_until']}" if result["valid_until"] else ""
        opens = ""
        if not result["permitted"] and result["permitted_from"]:
            opens = f", opens at {result['permitted_from']}"
        self.tell(f"may {use} use it?  {word} ({result['reason']}{until}{opens})")
        insist(result["reason"] == reason, f"expected {reason}, got {result['reason']}")
        return result

    def expect_all(
        self, use: str, content: Sequence[str], expected: Callable[[Counter[str]], bool]
    ) -> None:
        """Check many at once, show the reasons, and insist on what they add up to."""
        reasons = Counter(result["reason"] for result in self.check(use, content))
        shown = ", ".join(f"{number:,} {reason}" for reason, number in reasons.most_common())
        self.tell(f"{len(content):,} tracks asked at once for {use}: {shown}")
        insist(expected(reasons), f"these reasons are not what the rules promise: {reasons}")


def insist(holds: bool, otherwise: str) -> None:
    """Raise Surprise unless it holds."""
    if not holds:
        raise Surprise(otherwise)


def play(story: Story, cast: Cast) -> None:
    """Play everything that follows the launch and the catalogue."""
    ana, ben, cleo = cast.soloists(3)
    _launched(story, cast)
    _announced(story, cast, told=[ana, ben], bounced=[cleo])
    _opted_out(story, cast, ana)
    _label(story, cast, ben)
    _duet(story, cast)
    _explained(story, cast, ana)
    _measured(story, cast)


def _launched(story: Story, cast: Cast) -> None:
    with story.scene("Under launch terms, silence permits what was promised, and nothing else"):
        story.expect_all(
            LAUNCH_USE, cast.tracks, lambda r: set(r) <= {"window_closed", "no_rightsholder"}
        )
        some = cast.tracks[:MOST_PER_REQUEST]
        story.expect_all(
            "training.generative_music",
            some,
            lambda r: set(r) <= {"prohibited", "no_rightsholder"},
        )
        story.expect_all(
            "training.imitation",
            some,
            lambda r: set(r) <= {"no_opt_in", "no_rightsholder"},
        )


def _announced(story: Story, cast: Cast, told: Sequence[str], bounced: Sequence[str]) -> None:
    tracks = [cast.tracks_of[artist][0] for artist in (*told, *bounced)]
    with story.scene("A new use is announced: tagging by mood, opt-out, after a window"):
        draft = {
            "mode": "opt_out",
            "recipients": ["internal"],
            "notice_period": f"PT{WINDOW_SECONDS}S",
            "texts": {"en": "# Mood\n\nWe let software hear the mood of your tracks."},
        }
        path = f"/v1/uses/{NEW_USE}/policies"
        dry = story.policy_desk.write("POST", path, draft, dry_run="true")
        waiting = dry["columns"][0]["when_their_own_window_closes"]
        story.tell(f"a dry run says: {waiting:,} artists, each bound when their own window closes")
        insist(waiting == dry["artists"], "nobody may be bound at once")
        notice = story.policy_desk.write("POST", path, draft)["notice"]
        story.tell("published; nobody has been told yet:")
        story.expect(NEW_USE, tracks[0], "not_notified")
    with story.scene("The notice goes out; one mail bounces"):
        reports = [{"artist": a, "channel": "email"} for a in told]
        reports += [{"artist": a, "channel": "email", "outcome": "bounced"} for a in bounced]
        story.platform.write("POST", f"/v1/notices/{notice}/deliveries", {"deliveries": reports})
        during = story.expect(NEW_USE, tracks[0], "window_open")
        insist(during["permitted_from"] is not None, "an open window says when it closes")
    with story.scene(f"{WINDOW_SECONDS} seconds later (in life: 30 days or more)"):
        time.sleep(WINDOW_SECONDS)
        for track in tracks[: len(told)]:
            story.expect(NEW_USE, track, "window_closed")
        story.tell(f"{cast.artists[bounced[0]]} was never reached, so silence permits nothing:")
        story.expect(NEW_USE, tracks[-1], "not_notified")


def _opted_out(story: Story, cast: Cast, ana: str) -> None:
    first, second = cast.tracks_of[ana][:2]
    with story.scene(f"{cast.artists[ana]} says no, and the very next check says no"):
        story.expect(LAUNCH_USE, first, "window_closed")
        with story.connect("settings-page", subject=ana) as page:
            no = {"answer": "opt_out", "use": "*", "channel": "settings_page", "locale": "en"}
            recorded = page.write("POST", f"/v1/artists/{ana}/consents", no)
            story.tell(f'"No AI" is event {recorded["revision"]} of the ledger')
            story.expect(LAUNCH_USE, first, "opted_out")
            story.expect(NEW_USE, first, "opted_out")
            story.tell("finding copies of their music protects the artist, and goes on:")
            story.expect("protection.fraud_detection", first, "open")
            story.tell("then they allow recommendations for one track, on the page before them:")
            _, seen = page.tagged(f"/v1/artists/{ana}/settings")
            yes = {
                "answer": "opt_in",
                "use": LAUNCH_USE,
                "content": first,
                "channel": "settings_page",
                "locale": "en",
            }
            page.write("POST", f"/v1/artists/{ana}/consents", yes, seen=seen)
        story.expect(LAUNCH_USE, first, "opted_in")
        story.expect(LAUNCH_USE, second, "opted_out")


def _label(story: Story, cast: Cast, ben: str) -> None:
    track = cast.tracks_of[ben][0]
    with story.scene(f"{cast.artists[ben]}'s label acts for them"):
        with story.connect("settings-page", subject=ben) as page:
            page.write("PUT", f"/v1/artists/{ben}/delegates/label-1", {"may_opt_in": False})
        no = {"answer": "opt_out", "use": LAUNCH_USE, "channel": "label_desk"}
        with story.connect("settings-page", subject="label-1") as label:
            label.write("POST", f"/v1/artists/{ben}/consents", no)
        story.expect(LAUNCH_USE, track, "opted_out")


def _duet(story: Story, cast: Cast) -> None:
    if not cast.duets:
        message = "this catalogue has no track with two rightsholders"
        raise Surprise(message)
    track, (first, second) = cast.duets[0]
    with story.scene(
        f"A track of {cast.artists[first]} and {cast.artists[second]}: both must agree"
    ):
        story.expect(LAUNCH_USE, track, "window_closed")
        with story.connect("settings-page", subject=second) as page:
            no = {"answer": "opt_out", "use": LAUNCH_USE, "channel": "settings_page"}
            page.write("POST", f"/v1/artists/{second}/consents", no)
        story.tell(f"{cast.artists[second]} says no:")
        story.expect(LAUNCH_USE, track, "opted_out")


def _explained(story: Story, cast: Cast, ana: str) -> None:
    track = cast.tracks_of[ana][0]
    with story.scene("How do you know? The explanation of one decision"):
        answer = story.pipeline.check(LAUNCH_USE, [track], explain=True)
        story.tell(f"decision {answer['decision_id']} at revision {answer['revision']}:")
        holder = answer["results"][0]["explanation"]["rightsholders"][0]
        policy = holder["policy"]
        story.tell(
            f"version {policy['version']} governs, {policy['mode']} (event {policy['revision']})"
        )
        for record in holder["records"]:
            about = record["content"] or "all tracks"
            lifted = f", lifted by event {record['lifted_by']}" if record["lifted_by"] else ""
            story.tell(
                f"event {record['revision']}: {record['answer']} for {record['use']}, {about}: "
                f"{record['standing']}{lifted}"
            )
        insist(len(holder["records"]) == 2, "a no and the yes that lifts it explain this decision")  # noqa: PLR2004
        insist(
            holder["records"][0]["lifted_by"] == holder["records"][1]["revision"], "it is lifted"
        )


def _measured(story: Story, cast: Cast) -> None:
    with story.scene("The whole catalogue again, then one track at a time"):
        story.expect_all(
            LAUNCH_USE, cast.tracks, lambda r: r["opted_out"] > 0 and r["opted_in"] == 1
        )
        chosen = random.Random(1).choices(cast.tracks, k=SINGLE_CHECKS)  # noqa: S311 - a sample
        for track in chosen:
            story.check(LAUNCH_USE, [track])
        story.tell(f"{len(chosen):,} strong checks of one track each, one after the other")
