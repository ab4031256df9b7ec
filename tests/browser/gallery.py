"""Every page there is, in each state worth looking at, and how to get there."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from unittest import mock
from urllib.parse import quote

from playwright.async_api import Page

from service.audit.period import Period
from service.clock import SystemClock
from service.domain.instant import format_instant
from service.web import templates
from service.web.i18n import Language
from service.web.outcome import address_of
from service.web.session import Session
from service.web.templates import Frame, PageContext, Pages
from tests.api.door import KEY
from tests.audit.history import ODD, TRACK, History
from tests.browser.signing_in import follow, sign_in, visit
from tests.browser.sounds import (
    FINGERPRINTS,
    MUSIC,
    PARTNER,
    RECOMMENDATION,
    VOICE,
    WORDS,
    Sounds,
    example_sounds,
)
from tests.serving import RunningService, running_service

_ODD, _TRACK = quote(ODD, safe=""), quote(TRACK, safe="")
SECOND_PARTNER: Final = "partner:deep-crate"
_SOON: Final = timedelta(days=90) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Gallery:
    """Some platforms and a service that nobody can sign in to. Looking at them changes nothing.

    On the `quiet` one nothing has ever happened; on the `busy` one there is some of everything, and
    on the `audited` one there are two months of history.
    """

    quiet: Sounds
    busy: Sounds
    closed: RunningService
    audited: RunningService
    rendered: list[str] = field(default_factory=list)
    """The templates of the pages that were served, in order."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One page in one state: the name of its pictures, its template, and the way to it.

    What is alike `in_brief` has pictures on a phone by day and at a desk by night alone.
    """

    name: str
    template: str
    go: Callable[[Page, Gallery], Awaitable[None]]
    in_brief: bool = False


def _busy(who: str, path: str = "/settings") -> Callable[[Page, Gallery], Awaitable[None]]:
    async def go(page: Page, gallery: Gallery) -> None:
        await sign_in(page, gallery.busy, who, path)

    return go


def _quiet(who: str, path: str = "/settings") -> Callable[[Page, Gallery], Awaitable[None]]:
    async def go(page: Page, gallery: Gallery) -> None:
        await sign_in(page, gallery.quiet, who, path)

    return go


def _public(path: str) -> Callable[[Page, Gallery], Awaitable[None]]:
    async def go(page: Page, gallery: Gallery) -> None:
        await visit(page, gallery.busy, path)

    return go


def _link(artist: str, notice: str, days: int = 365) -> Callable[[Page, Gallery], Awaitable[None]]:
    async def go(page: Page, gallery: Gallery) -> None:
        await page.goto(await gallery.busy.opt_out_link(artist, notice, days=days))

    return go


def _audit(path: str, *, may: bool = True) -> Callable[[Page, Gallery], Awaitable[None]]:
    async def go(page: Page, gallery: Gallery) -> None:
        to = quote(path if may else "/settings")
        await page.goto(f"{gallery.audited.url}/settings/sign-in?to={to}")
        await page.get_by_role("textbox").fill("carla")
        await follow(page, page.get_by_role("button", name="Sign in", exact=True))
        if not may:
            await page.goto(f"{gallery.audited.url}{path}")

    return go


def _audit_days(path: str, days: int) -> Callable[[Page, Gallery], Awaitable[None]]:
    """Look at so few days that a page is soon looked at."""
    period = Period.ending(SystemClock().now(), days)
    return _audit(f"{path}?from={period.first}&to={period.last}")


def _audit_newest(link: str, path: str) -> Callable[[Page, Gallery], Awaitable[None]]:
    async def go(page: Page, gallery: Gallery) -> None:
        await _audit(path)(page, gallery)
        await follow(page, page.locator(f"main a[href^='{link}']").first)

    return go


async def _nothing_published(page: Page, gallery: Gallery) -> None:
    await page.goto(f"{gallery.closed.url}/policies")


async def _not_set_up(page: Page, gallery: Gallery) -> None:
    await page.goto(f"{gallery.closed.url}/settings/sign-in")


async def _declined(page: Page, gallery: Gallery) -> None:
    await visit(page, gallery.busy, "/settings")
    await follow(page, page.locator("button[name=decline]"))


async def _signed_out(page: Page, gallery: Gallery) -> None:
    await sign_in(page, gallery.busy, "ada")
    await follow(page, page.locator("form[action='/settings/sign-out'] button"))


async def _told(page: Page, sounds: Sounds, who: str, path: str, **said: object) -> None:
    """Sign in, and be told what a form came to that nobody sent: with the proof of this sign-in."""
    await sign_in(page, sounds, who, path)
    token = await page.locator("input[name=csrf_token]").first.get_attribute("value") or ""
    query = address_of(Session(who, token, 0, 0), said)
    await visit(page, sounds, f"{path}?{query}")


async def _just_said(page: Page, gallery: Gallery) -> None:
    revision = gallery.busy.said("ben")[0]["revision"]
    said = {"done": revision, "uses": 2, "stopped": 3, "at": "_2a_"}
    await _told(page, gallery.busy, "ben", "/settings", **said)


async def _outdated(page: Page, gallery: Gallery) -> None:
    await _told(page, gallery.quiet, "ada", "/settings", note="outdated")


async def _recorded(page: Page, gallery: Gallery) -> None:
    await _told(page, gallery.busy, "label", "/settings/roster", recorded=2)


async def _refused(page: Page, gallery: Gallery) -> None:
    await sign_in(page, gallery.busy, "ada")
    elsewhere = "/settings/artists/ben/read"
    async with page.expect_navigation(wait_until="load"):
        await page.locator("form[action$='/read']").first.evaluate(
            "(form, elsewhere) => { form.action = elsewhere; form.submit(); }", elsewhere
        )


async def _previewed(page: Page, gallery: Gallery, answer: str, use: str) -> None:
    await sign_in(page, gallery.busy, "label", "/settings/roster")
    for artist in ("ada", "eve"):  # for whom the label may say everything
        await page.locator(f"input[value={artist}]").check()
    await page.locator("#use").select_option(use)
    await follow(page, page.locator(f"button[value={answer}]"))


async def _previewed_no(page: Page, gallery: Gallery) -> None:
    await _previewed(page, gallery, "opt_out", "*")


async def _previewed_yes(page: Page, gallery: Gallery) -> None:
    await _previewed(page, gallery, "opt_in", MUSIC)


async def _nobody_chosen(page: Page, gallery: Gallery) -> None:
    await sign_in(page, gallery.busy, "label", "/settings/roster")
    await follow(page, page.locator("button[value=opt_out]"))


def _console(name: str, template: str, go: Callable[[Page, Gallery], Awaitable[None]]) -> Sight:
    return Sight(f"audit-{name}", f"audit/{template}", go, in_brief=True)


_CONSOLE: Final[Sequence[Sight]] = (
    _console("overview", "overview.html.j2", _audit("/audit")),
    _console("consents", "consents.html.j2", _audit_days("/audit/consents", 10)),
    _console("notices", "notices.html.j2", _audit("/audit/notices")),
    _console("notice", "notice.html.j2", _audit(f"/audit/notices/{RECOMMENDATION}:2")),
    _console("decisions", "decisions.html.j2", _audit_days("/audit/decisions", 2)),
    _console(
        "decision",
        "decision.html.j2",
        _audit_newest("/audit/decisions/dec_", f"/audit/content/{_TRACK}"),
    ),
    _console(
        "decision-outcomes",
        "decision_outcomes.html.j2",
        _audit_newest("/audit/decisions/dec_", "/audit/decisions?client=batch-trainer"),
    ),
    _console("exports", "exports.html.j2", _audit("/audit/exports")),
    _console("export", "export.html.j2", _audit_newest("/audit/exports/exp_", "/audit")),
    _console("artist", "artist.html.j2", _audit(f"/audit/artists/{_ODD}")),
    _console("content", "content.html.j2", _audit(f"/audit/content/{_TRACK}")),
    _console("found-nothing", "found.html.j2", _audit("/audit/search?q=zzz")),
    _console("not-allowed", "not_allowed.html.j2", _audit("/audit", may=False)),
    _console("trouble", "trouble.html.j2", _audit("/audit/nowhere")),
)
SIGHTS: Final[Sequence[Sight]] = (
    Sight("policies", "policies.html.j2", _public("/policies")),
    Sight("policies-none", "policies.html.j2", _nothing_published),
    Sight("policy-planned", "policy.html.j2", _public(f"/policies/{RECOMMENDATION}")),
    Sight("policy-editorial", "policy.html.j2", _public(f"/policies/{FINGERPRINTS}")),
    Sight("policy-differences", "policy.html.j2", _public(f"/policies/{MUSIC}")),
    Sight("settings-nothing-planned", "settings.html.j2", _quiet("ada")),
    Sight("settings-planned", "settings.html.j2", _busy("ada")),
    Sight("settings-all-no", "settings.html.j2", _busy("ben")),
    Sight("settings-much-said", "settings.html.j2", _busy("cleo")),
    Sight(
        "settings-of-no-only-delegate",
        "settings.html.j2",
        _busy("manager", "/settings/artists/cleo"),
    ),
    Sight("settings-just-said", "settings.html.j2", _just_said),
    Sight("settings-search", "settings.html.j2", _quiet("ada", "/settings?q=night")),
    Sight("settings-search-nothing", "settings.html.j2", _quiet("ada", "/settings?q=zzz")),
    Sight("settings-outdated", "settings.html.j2", _outdated),
    Sight(
        "settings-track",
        "settings_track.html.j2",
        _busy("cleo", "/settings/artists/cleo/tracks/t1"),
    ),
    Sight(
        "settings-history",
        "settings_history.html.j2",
        _busy("cleo", "/settings/artists/cleo/history"),
    ),
    Sight(
        "settings-history-empty",
        "settings_history.html.j2",
        _busy("ada", "/settings/artists/ada/history"),
    ),
    Sight("settings-nobody", "settings_nobody.html.j2", _busy("stranger")),
    Sight("roster", "roster.html.j2", _busy("label")),
    Sight("roster-recorded", "roster.html.j2", _recorded),
    Sight("roster-search-nothing", "roster.html.j2", _busy("label", "/settings/roster?q=zzz")),
    Sight("roster-nobody-chosen", "roster.html.j2", _nobody_chosen),
    Sight("roster-preview-no", "roster_preview.html.j2", _previewed_no),
    Sight("roster-preview-yes", "roster_preview.html.j2", _previewed_yes),
    Sight("opt-out", "opt_out.html.j2", _link("ada", f"{VOICE}:2")),
    Sight("opt-out-not-told", "opt_out.html.j2", _link("ada", f"{RECOMMENDATION}:2")),
    Sight("opt-out-said", "opt_out_said.html.j2", _link("dan", f"{VOICE}:2")),
    Sight("opt-out-expired", "opt_out_dead.html.j2", _link("ada", f"{VOICE}:2", days=-1)),
    Sight("opt-out-no-link", "opt_out_dead.html.j2", _public("/opt-out/nothing")),
    Sight("sign-in-not-set-up", "sign_in_not_set_up.html.j2", _not_set_up),
    Sight("sign-in-declined", "sign_in_trouble.html.j2", _declined),
    Sight("sign-in-not-begun", "sign_in_trouble.html.j2", _public("/settings/callback?code=1")),
    Sight("signed-out", "signed_out.html.j2", _signed_out),
    *_CONSOLE,
    Sight("trouble", "trouble.html.j2", _public("/settings/nowhere/at/all")),
    Sight("trouble-refused", "trouble.html.j2", _refused),
)

TRANSLATED: Final = [sight for sight in SIGHTS if sight not in _CONSOLE]
"""Those that are there in every language: the console is in English alone."""


def templates_on_disk(folder: Path = templates.TEMPLATES) -> set[str]:
    """Return every template that is a page, which those whose names start with `_` are not."""
    pages = [
        path
        for path in folder.rglob("*.j2")
        if not path.name.startswith("_") and path.name != "base.html.j2"
    ]
    return {path.relative_to(folder).as_posix() for path in pages}


@contextmanager
def opened(quiet: str, busy: str, closed: str, history: History) -> Iterator[Gallery]:
    """Run all of it over four databases, until the block ends."""
    rendered: list[str] = []
    render = Pages.render

    def noting(pages: Pages, context: PageContext, language: Language, frame: Frame) -> str:
        rendered.append(context.template)
        return render(pages, context, language, frame)

    with (
        mock.patch.object(Pages, "render", noting),
        example_sounds(quiet) as quiet_one,
        example_sounds(busy) as busy_one,
        running_service(
            closed,
            issuer="https://login.example",
            platform_settings_url="https://sounds.example/settings",
        ) as closed_one,
        running_service(
            history.url, key_encryption_key=KEY, exports=history.exports, build_exports=False
        ) as audited,
    ):
        quiet_one.register("ada")
        quiet_one.put("bus", "Night Bus", "ada")
        _let_much_happen(busy_one)
        yield Gallery(quiet_one, busy_one, closed_one, audited, rendered)


def _let_much_happen(sounds: Sounds) -> None:
    """Let there be some of everything, in an order in which it can happen."""
    sounds.register("ada", "ben", "cleo", "dan", "eve")
    sounds.put("t1", "Night Bus to Köpenick", "cleo")
    sounds.put("t2", "Nightingale", "cleo", "ben")
    sounds.put("t3", "Mornings", "cleo")
    sounds.delegate("ada", "label", may_opt_in=True)
    sounds.delegate("eve", "label", may_opt_in=True)
    sounds.delegate("ben", "label", may_opt_in=False)
    sounds.delegate("cleo", "manager", may_opt_in=False)
    _let_cleo_speak(sounds)
    sounds.say("ben", "opt_out")
    sounds.publish(MUSIC, "opt_in", "internal", PARTNER, words=_changed(WORDS))
    sounds.publish(FINGERPRINTS, "opt_out", "internal", PARTNER, words=WORDS, editorial=True)
    sounds.deliver(sounds.publish(VOICE, "opt_out"), "ada", "ben", "cleo", "dan", "eve")
    sounds.publish(RECOMMENDATION, "opt_out", "internal", SECOND_PARTNER, words=_changed(WORDS))
    shown = [{"use": VOICE, "version": 2}]
    sounds.say("dan", "opt_out", VOICE, channel="email_link", shown=shown)


def _let_cleo_speak(sounds: Sounds) -> None:
    later = format_instant(SystemClock().now() + _SOON)
    sounds.say("cleo", "opt_in", MUSIC)
    sounds.say("cleo", "opt_in", VOICE, expires_at=later)
    sounds.say("cleo", "opt_out", recipient=PARTNER)
    sounds.say("cleo", "opt_out", "identification")
    sounds.say("cleo", "opt_out", RECOMMENDATION, recipient="internal")
    sounds.say("cleo", "opt_in", RECOMMENDATION, content="t1")
    sounds.say("cleo", "opt_out", VOICE, content="t2")


def _changed(words: Any) -> dict[str, str]:
    return {
        locale: text.replace("90", "30") + "\n\n**2026** · Example Sounds"
        for locale, text in words.items()
    }
