"""`fermata policy apply`: only what changed, shown and asked first, all of it or nothing."""

from pathlib import Path

import pytest

from service.auth.scopes import Scope
from tests.cli.conftest import Fermata, open_charter
from tests.cli.policies import (
    SEARCH,
    TAGS,
    WORDS,
    policy_folder,
    register,
    revision,
    terms,
    text,
    versions,
)
from tests.serving import RunningService


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of policies that is not applied yet."""
    return policy_folder(tmp_path)


@pytest.fixture
def applied(folder: Path, fermata: Fermata, service: RunningService) -> Path:
    """The same folder, applied, and two artists registered since."""
    assert fermata("policy", "apply", folder, "--yes").status == 0
    register(service, "ana", "ben")
    return folder


def test_a_first_apply_opens_the_ledger_and_publishes_everything(
    folder: Path, fermata: Fermata, service: RunningService
) -> None:
    """Charter, names and launch terms, in this order, and each step is told."""
    ended = fermata("policy", "apply", folder, "--yes")

    assert ended.status == 0
    steps = ended.out.splitlines()[-5:]
    assert [step.split(":")[0] for step in steps] == [
        "charter",
        "discovery",
        SEARCH,
        SEARCH,
        TAGS,
    ]
    assert "launch terms: they bind every artist from registration on" in ended.out
    assert versions(service)[0]["texts"]["en"]["text"] == WORDS
    assert versions(service, TAGS)[0]["recipients"] == ["internal", "partner:musiio"]
    with service.connect() as connection:
        assert connection.get("/v1/charter")["min_notice_period"] == "P30D"
        uses = {row["use"]: row for row in connection.get("/v1/uses")["uses"]}
    assert uses["discovery"]["names"] == {"en": "Discovery", "de": "Entdecken"}
    assert uses[SEARCH]["names"] == {"en": "Search", "no": "Søk"}


def test_a_second_apply_does_nothing(
    applied: Path, fermata: Fermata, service: RunningService
) -> None:
    """A folder that the service says already is not written again, and nobody is asked."""
    before = revision(service)

    ended = fermata("policy", "apply", applied)

    assert (ended.status, revision(service)) == (0, before)
    assert "nothing to publish" in ended.out


def test_a_changed_text_is_shown_and_published_as_the_next_version(
    applied: Path, fermata: Fermata, service: RunningService
) -> None:
    """Only the use that changed gets a version; the difference and the windows are shown."""
    text(applied).write_text(WORDS.replace("ours alone", "ours"))

    ended = fermata("policy", "apply", applied, "--yes")

    assert ended.status == 0
    assert f"{SEARCH}: version 1 → 2" in ended.out
    assert "    - It is ours alone.\n    + It is ours.\n" in ended.out
    assert "  en.md\n      Software hears your tracks.\n" in ended.out
    assert "internal: binds 2 artists as their own window closes, nobody before 2" in ended.out
    assert len(versions(service)) == 2
    assert len(versions(service, TAGS)) == 1


def test_every_byte_counts(applied: Path, fermata: Fermata, service: RunningService) -> None:
    """A last line that no longer ends is another text, and is shown as such."""
    text(applied).write_text(WORDS.removesuffix("\n"))

    ended = fermata("policy", "apply", applied, "--yes")

    assert "+ It is ours alone. (without a line end)" in ended.out
    assert versions(service)[1]["texts"]["en"]["text"] == WORDS.removesuffix("\n")


def test_changed_terms_are_shown(applied: Path, fermata: Fermata, service: RunningService) -> None:
    """Mode, recipients and notice period, before and after; the order of recipients is none."""
    terms(applied, mode="opt_in", recipients="['partner:b', internal]", notice_period="P4W")
    refused = fermata("policy", "apply", applied, "--yes")
    terms(applied, mode="opt_in", recipients="['partner:b', internal]", notice_period="P6W")
    ended = fermata("policy", "apply", applied, "--yes")
    terms(applied, mode="opt_in", recipients="[internal, 'partner:b']", notice_period="P42D")
    again = fermata("policy", "apply", applied, "--yes")

    assert refused.status == 1
    assert "mode: opt_out → opt_in" in ended.out
    assert "recipients: internal → internal, partner:b" in ended.out
    assert "notice_period: P30D → P42D" in ended.out
    assert "partner:b: binds 2 artists at once" in ended.out
    assert "nothing to publish" in again.out


def test_a_translation_is_shown_as_new(
    applied: Path, fermata: Fermata, service: RunningService
) -> None:
    """A locale that was not there before, and one that is no longer there."""
    text(applied, locale="de").write_text("# Suche\n")
    added = fermata("policy", "apply", applied, "--yes")
    text(applied).unlink()
    taken = fermata("policy", "apply", applied, "--yes")

    assert "  de.md (new)\n    + # Suche" in added.out
    assert "  en.md (no longer there)\n    - # Search" in taken.out
    assert list(versions(service)[-1]["texts"]) == ["de"]


def test_going_back_to_earlier_words_resumes_their_terms(applied: Path, fermata: Fermata) -> None:
    """Whoever returns to old words is told that nobody needs a window for it."""
    text(applied).write_text("# Other\n")
    fermata("policy", "apply", applied, "--yes")
    text(applied).write_text(WORDS)

    ended = fermata("policy", "apply", applied, "--yes")

    assert "these are the words of version 1: its terms go on" in ended.out
    assert "internal: binds 2 artists at once" in ended.out


def test_an_editorial_change_carries_its_mark(
    applied: Path, fermata: Fermata, service: RunningService
) -> None:
    """With the mark, a correction opens no new terms; the warning says to take the mark out."""
    terms(applied, names="{en: Search, no: Søk}", editorial="true")
    text(applied).write_text(WORDS.replace("hears", "listens to"))

    ended = fermata("policy", "apply", applied, "--yes")

    assert "editorial: spelling or translation only" in ended.out
    assert "internal: binds 2 artists at once" in ended.out
    assert "take `editorial: true` out now" in ended.err
    assert [version["editorial"] for version in versions(service)] == [False, True]


def test_the_mark_does_nothing_by_itself_or_with_other_changes(
    applied: Path, fermata: Fermata, service: RunningService
) -> None:
    """It publishes nothing on its own, and a change of more than words is not editorial."""
    terms(applied, editorial="true")
    alone = fermata("policy", "apply", applied, "--yes")
    terms(applied, editorial="true", recipients="[internal, 'partner:b']")
    text(applied).write_text("# Corrected\n")
    with_more = fermata("policy", "apply", applied, "--yes")

    assert "nothing to publish" in alone.out
    assert "editorial is not said of this version" in with_more.out
    assert [version["editorial"] for version in versions(service)] == [False, False]


def test_a_mark_with_a_number_corrects_that_version_only(
    applied: Path, fermata: Fermata, service: RunningService
) -> None:
    """A mark that was forgotten in the folder does not reach the next change."""
    terms(applied, editorial="1")
    text(applied).write_text(WORDS.replace("hears", "listens to"))
    first = fermata("policy", "apply", applied, "--yes")
    text(applied).write_text("# Search\n\nEntirely different.\n")
    fermata("policy", "apply", applied, "--yes")

    assert "take `editorial" not in first.err
    assert [version["editorial"] for version in versions(service)] == [False, True, False]


def test_a_changed_name_is_no_new_version(
    applied: Path, fermata: Fermata, service: RunningService
) -> None:
    """What a use is called changes no answer."""
    terms(applied, names="{en: Finding, no: Søk}")

    ended = fermata("policy", "apply", applied, "--yes")

    assert f"{SEARCH}: Search (en), Søk (no) → Finding (en), Søk (no)" in ended.out
    assert len(versions(service)) == 1


def test_the_charter_is_tightened(applied: Path, fermata: Fermata, service: RunningService) -> None:
    """A longer shortest window is written; policies that stay as they are are left alone."""
    (applied / "charter.yaml").write_text("platform: Test Sounds\nmin_notice_period: P60D\n")

    ended = fermata("policy", "apply", applied, "--yes")

    assert "min_notice_period: P30D → P60D; it can only be raised" in ended.out
    assert ended.out.splitlines()[-1] == "charter: no later window is shorter than P60D"
    assert len(versions(service)) == 1


def test_what_the_charter_cannot_become_is_refused(
    applied: Path, fermata: Fermata, service: RunningService
) -> None:
    """The platform stays who it is, the window never gets shorter, and nothing is written."""
    (applied / "charter.yaml").write_text("platform: Others\nmin_notice_period: P10D\n")
    text(applied).write_text("# New words\n")
    before = revision(service)

    ended = fermata("policy", "apply", applied, "--yes")

    assert (ended.status, revision(service)) == (1, before)
    assert "charter.yaml: platform: it is Test Sounds for good" in ended.err
    assert "charter.yaml: min_notice_period: it is P30D and can only be raised (R6)" in ended.err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"notice_period": "P10D"}, "notice_period: the window may not be shorter than P30D"),
        ({"mode": "open"}, "mode: this use has left `open` or never was"),
    ],
)
def test_one_refusal_stops_everything_before_the_first_write(
    applied: Path,
    fermata: Fermata,
    service: RunningService,
    change: dict[str, str],
    says: str,
) -> None:
    """The other use's new words are not published either; the file is named."""
    terms(applied, TAGS, **change)
    text(applied).write_text("# New words\n")
    before = revision(service)

    ended = fermata("policy", "apply", applied, "--yes")

    assert (ended.status, revision(service)) == (1, before)
    assert "this is refused, and nothing was written:" in ended.err
    assert f"uses/{TAGS}/policy.yaml: {says}" in ended.err
    assert SEARCH not in ended.err


def test_a_window_shorter_than_the_charter_about_to_be_is_refused(
    applied: Path, fermata: Fermata, service: RunningService
) -> None:
    """What this very apply would forbid is forbidden before it begins."""
    (applied / "charter.yaml").write_text("platform: Test Sounds\nmin_notice_period: P60D\n")
    text(applied).write_text("# New words\n")
    before = revision(service)

    ended = fermata("policy", "apply", applied, "--yes")

    assert (ended.status, revision(service)) == (1, before)
    assert f"uses/{SEARCH}/policy.yaml: notice_period: the window may not be shorter" in ended.err


def test_a_fresh_ledger_refuses_the_same(
    folder: Path, fermata: Fermata, service: RunningService
) -> None:
    """Before the ledger is opened nobody can be asked, yet nothing is written either."""
    terms(folder, TAGS, notice_period="P7D")

    ended = fermata("policy", "apply", folder, "--yes")

    assert (ended.status, revision(service)) == (1, 0)
    assert f"uses/{TAGS}/policy.yaml: notice_period: the window may not be shorter" in ended.err


def test_without_a_charter_anywhere_nothing_can_be_published(
    folder: Path, fermata: Fermata
) -> None:
    """A folder may leave the charter alone only where there is one."""
    (folder / "charter.yaml").unlink()

    ended = fermata("policy", "apply", folder, "--yes")

    assert ended.status == 1
    assert "charter.yaml: is missing, and the service has no charter yet" in ended.err


def test_a_folder_may_leave_the_charter_alone(
    folder: Path, fermata: Fermata, service: RunningService
) -> None:
    """Where the ledger is opened already, the folder needs no charter."""
    open_charter(service)
    (folder / "charter.yaml").unlink()

    assert fermata("policy", "apply", folder, "--yes").status == 0
    assert len(versions(service)) == 1


def test_launch_terms_come_before_the_first_artist(
    folder: Path, fermata: Fermata, service: RunningService
) -> None:
    """`open` is refused once somebody is registered."""
    open_charter(service)
    register(service, "ana")
    terms(folder, TAGS, mode="open")

    ended = fermata("policy", "apply", folder, "--yes")

    assert ended.status == 1
    assert "only launch terms can be `open`" in ended.err


def test_uses_elsewhere_are_named_and_left_alone(
    applied: Path, fermata: Fermata, service: RunningService
) -> None:
    """Taking a use out of the folder takes nothing out of the service."""
    for path in (applied / "uses" / TAGS).iterdir():
        path.unlink()
    (applied / "uses" / TAGS).rmdir()

    ended = fermata("policy", "apply", applied, "--yes")

    assert ended.status == 0
    assert f"not in this folder, and left as they are: {TAGS}" in ended.out
    assert len(versions(service, TAGS)) == 1


def test_a_dry_run_writes_nothing(folder: Path, fermata: Fermata, service: RunningService) -> None:
    """It shows all of it and asks nobody."""
    ended = fermata("policy", "apply", folder, "--dry-run")

    assert (ended.status, revision(service)) == (0, 0)
    assert f"{SEARCH}: new, version 1" in ended.out
    assert "the charter, 2 names and 2 policy versions would be written" in ended.out


def test_nobody_there_to_ask_is_no_yes(
    folder: Path, fermata: Fermata, service: RunningService
) -> None:
    """Without a terminal and without --yes nothing is written."""
    ended = fermata("policy", "apply", folder)

    assert (ended.status, revision(service)) == (2, 0)
    assert "nobody can be asked here: add --yes" in ended.err


@pytest.mark.parametrize("answer", ["n\n", "\n"])
def test_somebody_who_does_not_say_yes_stops_it(
    folder: Path, fermata_at_terminal: Fermata, service: RunningService, answer: str
) -> None:
    """No is no, and so is just pressing return."""
    ended = fermata_at_terminal("policy", "apply", folder, answer=answer)

    assert (ended.status, revision(service)) == (1, 0)
    assert "Write the charter, 2 names and 2 policy versions? It cannot be taken back." in ended.out
    assert "nothing was written" in ended.out


def test_somebody_who_says_yes_gets_it_done(
    folder: Path, fermata_at_terminal: Fermata, service: RunningService
) -> None:
    """The question comes after everything it is about."""
    ended = fermata_at_terminal("policy", "apply", folder, answer="y\n")

    assert ended.status == 0
    before, after = ended.out.split("It cannot be taken back.")
    assert f"{SEARCH}: new, version 1" in before
    assert f"{SEARCH}: version 1, opt_out for internal" in after
    assert len(versions(service)) == 1


def test_somebody_else_who_was_quicker_is_noticed(
    applied: Path, fermata: Fermata, service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the plan and the write another version came: ours is not put on top unseen."""
    text(applied).write_text("# Mine\n")

    def meanwhile(*_: object, **__: object) -> None:
        other = {
            "mode": "opt_out",
            "recipients": ["internal"],
            "notice_period": "P30D",
            "texts": {"en": "# Theirs\n"},
        }
        with service.connect() as connection:
            connection.write("POST", f"/v1/uses/{SEARCH}/policies", other)

    monkeypatch.setattr("service.cli.policy._agree", meanwhile)
    ended = fermata("policy", "apply", applied)

    assert ended.status == 1
    assert "the latest version is 2: look at it and try again" in ended.err
    assert [version["texts"]["en"]["text"] for version in versions(service)][1:] == ["# Theirs\n"]


def test_mistakes_in_the_folder_are_found_before_the_service_is_asked(
    folder: Path, fermata: Fermata
) -> None:
    """All of them at once, and even where no service runs."""
    terms(folder, SEARCH, mode="opt-in")
    terms(folder, TAGS, notice_period="P1M")

    ended = fermata("policy", "apply", folder, FERMATA_URL="http://127.0.0.1:9")

    assert ended.status == 2
    assert f"uses/{SEARCH}/policy.yaml: mode: " in ended.err
    assert f"uses/{TAGS}/policy.yaml: notice_period: 'P1M' is not a duration" in ended.err


def test_whoever_may_not_publish_is_told(
    folder: Path, fermata: Fermata, service: RunningService
) -> None:
    """A token without the scope ends it, and the scope is named."""
    token = service.token(scopes=frozenset({Scope.CATALOG}))

    ended = fermata("policy", "apply", folder, "--yes", FERMATA_TOKEN=token)

    assert (ended.status, revision(service)) == (2, 0)
    assert "fermata:policy" in ended.err
