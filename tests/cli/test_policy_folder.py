"""A folder of policies: read strictly, and every mistake told with its file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from service.cli.policy_folder import FolderWrong, read_policy_folder
from service.domain.policy import Mode
from tests.cli.policies import SEARCH, TAGS, WORDS, policy_folder, terms, text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder without a mistake."""
    return policy_folder(tmp_path)


def mistakes(folder: Path) -> tuple[str, ...]:
    """Return what is wrong with a folder."""
    with pytest.raises(FolderWrong) as wrong:
        read_policy_folder(folder)
    return wrong.value.mistakes


def test_a_folder_is_what_its_files_say(folder: Path) -> None:
    """Charter, terms, names and words, the words byte for byte."""
    found = read_policy_folder(folder)

    assert found.charter is not None
    assert found.charter.platform == "Test Sounds"
    search, tags = found.policies
    assert (search.use, search.mode, search.recipients) == (SEARCH, Mode.OPT_OUT, ("internal",))
    assert search.texts == {"en": WORDS}
    assert tags.recipients == ("internal", "partner:musiio")
    assert found.names() == {
        "discovery": {"en": "Discovery", "de": "Entdecken"},
        SEARCH: {"en": "Search", "no": "Søk"},
    }


def test_hidden_files_and_a_readme_are_no_policies(folder: Path) -> None:
    """What tools leave lying about, and what explains the folder, is passed by."""
    (folder / "README.md").write_text("# Ours\n")
    (folder / "uses" / ".DS_Store").write_bytes(b"\0")
    (folder / "uses" / SEARCH / ".en.md.swp").write_bytes(b"\0")

    assert len(read_policy_folder(folder).policies) == 2


def test_all_mistakes_are_told_at_once(folder: Path) -> None:
    """Nobody has to run it once for each."""
    terms(folder, SEARCH, mode="opt-in", notice_period="P1M")
    terms(folder, TAGS, recipients="[Musiio]")

    assert len(mistakes(folder)) == 3


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"mode": "maybe"}, "mode: Input should be 'prohibited', 'opt_in', 'opt_out' or 'open'"),
        ({"notice_period": "30"}, "notice_period: this is no text: write it in quotation marks"),
        ({"notice_period": "P1M"}, "notice_period: 'P1M' is not a duration of fixed length"),
        ({"recipients": "internal"}, "recipients: Input should be a valid list"),
        ({"recipients": "[musiio]"}, "recipients.0: a recipient is `internal`, or a kind"),
        ({"recipients": "[internal, internal]"}, "recipients: one of them is listed twice"),
        ({"recipent": "[internal]"}, "recipent: this key means nothing here; is it recipients?"),
        ({"colour": "red"}, "colour: this key means nothing here"),
        ({"names": "{english: Search}"}, "names.english: "),
        ({"names": "{}"}, "names: Dictionary should have at least 1 item"),
        ({"editorial": "yes"}, "editorial: Input should be a valid boolean"),
        ({"notice_period": "P30D\nmode: open"}, "line 4: mode stands here twice, first in line 1"),
        ({"names": "{en: a, en: b}"}, "line 4: en stands here twice"),
        ({"names": "{1: a}"}, "line 4: the key 1 is no text"),
        ({"names": "[a"}, "line "),
        ({"names": "!!python/object:os.system {}"}, "line 4: could not determine a constructor"),
    ],
)
def test_wrong_terms_are_told_by_file_and_key(
    folder: Path, said: dict[str, str], told: str
) -> None:
    """The message says what to write instead."""
    terms(folder, SEARCH, **said)

    assert mistakes(folder)[0].startswith(f"uses/{SEARCH}/policy.yaml: {told}")


def test_a_missing_key_is_told(folder: Path) -> None:
    """Nothing has a value that nobody wrote."""
    (folder / "uses" / SEARCH / "policy.yaml").write_text("mode: opt_out\n")

    assert mistakes(folder) == (
        f"uses/{SEARCH}/policy.yaml: recipients: this key is missing",
        f"uses/{SEARCH}/policy.yaml: notice_period: this key is missing",
    )


def _rename(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / old).rename(folder / new)


def _write(name: str, content: bytes) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    return write


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_rename("charter.yaml", "charter.yml"), "charter.yml: means nothing here"),
        (_rename("uses", "use"), "use: means nothing here"),
        (_rename("uses/groups.yaml", "uses/group.yaml"), "uses/group.yaml: means nothing here"),
        (_rename(f"uses/{SEARCH}", "uses/Discovery"), "uses/Discovery: means nothing here: a use"),
        (_rename(f"uses/{SEARCH}/en.md", f"uses/{SEARCH}/en.txt"), "en.txt: means nothing here"),
        (_rename(f"uses/{SEARCH}/en.md", f"uses/{SEARCH}/english.md"), "english.md: String should"),
        (_rename(f"uses/{SEARCH}/policy.yaml", "uses/groups.yaml"), "policy.yaml: is missing"),
        (lambda folder: text(folder).unlink(), f"uses/{SEARCH}: has no text: write at least one"),
        (_write(f"uses/{SEARCH}/en.md", b""), "en.md: String should have at least 1 character"),
        (_write(f"uses/{SEARCH}/en.md", b"\xff"), "en.md: byte 0 is not UTF-8"),
        (_write(f"uses/{SEARCH}/en.md", b"a\r\nb"), "en.md: has Windows line ends"),
        (
            _write(f"uses/{SEARCH}/en.md", b"\xef\xbb\xbfa"),
            "en.md: has Windows line ends or a byte",
        ),
        (_write("charter.yaml", b"\xff"), "charter.yaml: byte 0 is not UTF-8"),
        (_write("charter.yaml", b"platform: x\n"), "charter.yaml: min_notice_period: this key is"),
        (_write("charter.yaml", b""), "charter.yaml: Input should be a valid dictionary"),
        (_write("uses/groups.yaml", b"discvery: {en: x}"), "discvery: no use of this folder lies"),
        (
            _write("uses/groups.yaml", b"discovery.search: {en: x}"),
            "discovery.search: has a policy, so its names belong into that",
        ),
        (_write("uses/discovery/en.md", b"x"), "uses/discovery/policy.yaml: is missing"),
    ],
)
def test_files_that_cannot_be_meant_are_told(
    folder: Path, change: Callable[[Path], object], told: str
) -> None:
    """A typing mistake in a name is never passed by in silence."""
    change(folder)

    assert any(told in mistake for mistake in mistakes(folder))


def test_a_use_beneath_another_is_told(folder: Path) -> None:
    """Leaves carry policies and inner nodes group them: nothing is both."""
    (folder / "uses" / "discovery").mkdir()
    text(folder, "discovery").write_text("# All\n")
    terms(folder, "discovery")

    assert f"uses/{SEARCH}: lies beneath discovery, and only leaves carry policies" in mistakes(
        folder
    )


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The path is named as it was typed."""
    assert mistakes(tmp_path / "none")[0].endswith("none: there is no such folder")
