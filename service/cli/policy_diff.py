"""What a plan would change, for a person to read before they say yes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Final, Literal

from rich.text import Text

from service.cli.policy_plan import (
    CharterChange,
    Json,
    NameChange,
    NewVersion,
    Plan,
    terms_changed,
    words_of,
)

_CONTEXT: Final = 1
_WORDS: Final = re.compile(r"\n|[^\S\n]+|\S+")
_STYLES: Final[Mapping[str, tuple[str, str]]] = {
    "-": ("red", "bold red reverse"),
    "+": ("green", "bold green reverse"),
}


def show(plan: Plan) -> Iterator[Text]:
    """Tell a plan line by line: what changes, and who would be bound when."""
    if plan.charter:
        yield from _charter(plan.charter)
    if plan.names:
        yield Text("names", "bold")
        yield from (_name(change) for change in plan.names)
    for version in plan.versions:
        yield from _version(version)
    if plan.elsewhere:
        listed = ", ".join(plan.elsewhere)
        yield Text(f"not in this folder, and left as they are: {listed}", "dim")


def _charter(change: CharterChange) -> Iterator[Text]:
    yield Text("charter", "bold")
    least = change.charter.min_notice_period
    if change.was is None:
        yield Text(f"  the ledger is opened, for {change.charter.platform}, for good")
    yield Text(f"  min_notice_period: {change.was or 'none'} → {least}; it can only be raised")


def _name(change: NameChange) -> Text:
    now = ", ".join(f"{name} ({locale})" for locale, name in sorted(change.names.items()))
    was = ", ".join(f"{name} ({locale})" for locale, name in sorted(change.was.items()))
    return Text(f"  {change.node}: {was} → {now}" if was else f"  {change.node}: {now}")


def _version(version: NewVersion) -> Iterator[Text]:
    policy, latest = version.policy, version.latest
    before = f"version {version.after} → " if latest else "new, version "
    yield Text(f"{policy.use}: {before}{version.number}", "bold")
    if latest is None:
        yield Text(f"  mode: {policy.mode.value}")
        yield Text(f"  recipients: {_listed(policy.recipients)}")
        yield Text(f"  notice_period: {policy.notice_period}")
    else:
        yield from _changed_terms(version, latest)
    yield from _texts(words_of(latest), policy.texts)
    yield from (Text(f"  {line}", "cyan") for line in _consequences(version))


def _changed_terms(version: NewVersion, latest: Json) -> Iterator[Text]:
    policy = version.policy
    now = {
        "mode": policy.mode.value,
        "recipients": _listed(policy.recipients),
        "notice_period": policy.notice_period,
    }
    was = {**latest, "recipients": _listed(latest["recipients"])}
    for name in terms_changed(policy, latest):
        yield Text(f"  {name}: {was[name]} → {now[name]}")


def _listed(recipients: Sequence[str]) -> str:
    return ", ".join(sorted(recipients)) or "nobody"


def _texts(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Text]:
    for locale in sorted({*before, *after}):
        was, now = before.get(locale, ""), after.get(locale, "")
        if was == now:
            continue
        word = "" if was and now else " (new)" if now else " (no longer there)"
        yield Text(f"  {locale}.md{word}")
        yield from (Text.assemble("    ", line) for line in text_diff(was, now))


def text_diff(before: str, after: str) -> Iterator[Text]:
    """Show the lines that differ, each with `-` or `+`, the words that differ standing out."""
    was, now = _lines(before), _lines(after)
    matcher = SequenceMatcher(None, was, now, autojunk=False)
    for n, group in enumerate(matcher.get_grouped_opcodes(_CONTEXT)):
        if n:
            yield Text("…", "dim")
        for what, i, j, k, m in group:
            if what == "equal":
                yield from (Text(f"  {line}", "dim") for line in was[i:j])
            else:
                yield from _replaced(was[i:j], now[k:m])


def _lines(text: str) -> list[str]:
    """The lines of a text; a last one that does not end is told from one that does."""
    lines = text.split("\n")
    if lines[-1]:
        lines[-1] += " (without a line end)"
        return lines
    return lines[:-1]


def _replaced(was: Sequence[str], now: Sequence[str]) -> Iterator[Text]:
    old, new = _WORDS.findall("\n".join(was)), _WORDS.findall("\n".join(now))
    codes = SequenceMatcher(None, old, new).get_opcodes() if was and now else []
    changed_old = {n for what, i, j, _, _ in codes if what != "equal" for n in range(i, j)}
    changed_new = {n for what, _, _, k, m in codes if what != "equal" for n in range(k, m)}
    if was:
        yield from _marked("-", old, changed_old)
    if now:
        yield from _marked("+", new, changed_new)


def _marked(sign: Literal["-", "+"], words: Sequence[str], changed: set[int]) -> Iterator[Text]:
    plain, strong = _STYLES[sign]
    line = Text(f"{sign} ", plain)
    for n, word in enumerate(words):
        if word == "\n":
            yield line
            line = Text(f"{sign} ", plain)
        else:
            line.append(word, strong if n in changed else plain)
    yield line


def _consequences(version: NewVersion) -> Iterator[str]:
    """Who would be bound when, and what the version counts as."""
    if version.policy.editorial and not version.editorial:
        yield "editorial is not said of this version: more than the words of its terms changes"
    if version.editorial:
        yield "editorial: spelling or translation only, and publicly marked as such for ever"
    preview = version.preview
    if preview is None or preview["launch"]:
        yield "launch terms: they bind every artist from registration on"
        return
    if preview["resumes_terms_of"] and not version.editorial:
        yield f"these are the words of version {preview['resumes_terms_of']}: its terms go on"
    for column in preview["columns"]:
        yield f"{column['recipient']}: {_bound(column, preview['earliest_window_closes_at'])}"


def _bound(column: Json, earliest: str | None) -> str:
    counts = {
        "at once": column["at_publication"],
        "as windows that are open already close": column["as_pending_windows_close"],
        f"as their own window closes, nobody before {earliest}": column[
            "when_their_own_window_closes"
        ],
    }
    bound = [f"{_artists(number)} {when}" for when, number in counts.items() if number]
    return "binds " + "; ".join(bound) if bound else "binds nobody: there are no artists"


def _artists(number: int) -> str:
    return "1 artist" if number == 1 else f"{number:,} artists"
