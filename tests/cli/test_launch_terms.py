"""The promise that ships as an example: it applies cleanly, and means what it says."""

from pathlib import Path
from typing import Any

import pytest

from service.cli.policy import apply_folder
from service.cli.policy_folder import read_policy_folder
from tests.cli.conftest import ROOT, Fermata
from tests.serving import RunningService

LAUNCH_TERMS = ROOT / "examples" / "launch-terms"
PARTNERS = (
    "ace-studio",
    "aibeatz",
    "fadr",
    "soundful",
    "starmony",
    "tuney",
    "tuttii",
    "twoshot",
    "voice-swap",
)
OPT_OUT = (
    ("discovery.recommendation", "internal"),
    ("discovery.search", "internal"),
    ("discovery.playlisting", "internal"),
    ("organisation.tagging", "internal"),
    ("organisation.tagging", "partner:musiio"),
    ("organisation.grouping", "internal"),
    ("organisation.grouping", "partner:musiio"),
)
OPEN = tuple(
    (use, recipient)
    for use in ("protection.fraud_detection", "protection.content_identification")
    for recipient in ("internal", "partner:pex", "partner:audible-magic")
)
OPT_IN = (
    ("training.imitation", "internal"),
    *(("creation.tools", f"partner:{partner}") for partner in PARTNERS),
)
PROHIBITED = (("training.generative_music", "internal"), ("training.generative_music", "partner:x"))


@pytest.fixture
def launched(service: RunningService, fermata: Fermata) -> RunningService:
    """A service under these launch terms, with one artist and her track."""
    assert fermata("policy", "apply", LAUNCH_TERMS, "--yes").status == 0
    with service.connect() as connection:
        connection.write("POST", "/v1/artists", {"artists": [{"artist": "ana"}]})
        track = {"content": "track", "rightsholders": ["ana"]}
        connection.write("POST", "/v1/content", {"content": [track]})
    return service


def answers(service: RunningService) -> dict[tuple[str, str], str]:
    """Return the reason for every use and recipient of the promise."""
    with service.connect() as connection:
        return {
            (use, recipient): connection.check(use, ["track"], recipient=recipient)["results"][0][
                "reason"
            ]
            for use, recipient in (*OPT_OUT, *OPEN, *OPT_IN, *PROHIBITED)
        }


def say(service: RunningService, **record: Any) -> None:
    """Record what the artist says."""
    with service.connect() as connection:
        _, seen = connection.tagged("/v1/artists/ana/settings")
        record = {"channel": "settings_page", **record}
        connection.write("POST", "/v1/artists/ana/consents", record, seen=seen)


def test_silence_means_what_the_promise_says(launched: RunningService) -> None:
    """Opt-out and open uses go on, opt-in uses wait for a yes, prohibited ones never begin."""
    assert answers(launched) == {
        **dict.fromkeys(OPT_OUT, "window_closed"),
        **dict.fromkeys(OPEN, "open"),
        **dict.fromkeys(OPT_IN, "no_opt_in"),
        **dict.fromkeys(PROHIBITED, "prohibited"),
    }


def test_no_ai_never_costs_artists_their_own_protection(launched: RunningService) -> None:
    """A no to everything ends everything but fraud detection and content identification."""
    say(launched, answer="opt_out", use="*")

    assert answers(launched) == {
        **dict.fromkeys(OPT_OUT, "opted_out"),
        **dict.fromkeys(OPEN, "open"),
        **dict.fromkeys(OPT_IN, "opted_out"),
        **dict.fromkeys(PROHIBITED, "prohibited"),
    }


def test_a_yes_to_one_partner_is_a_yes_to_no_other(launched: RunningService) -> None:
    """Creation tools are permitted by name."""
    say(launched, answer="opt_in", use="creation.tools", recipient="partner:fadr")

    found = answers(launched)
    assert found.pop(("creation.tools", "partner:fadr")) == "opted_in"
    assert {found[column] for column in OPT_IN if column in found} == {"no_opt_in"}


def test_whoever_is_not_listed_is_refused(launched: RunningService) -> None:
    """No partner tags but the one that is named."""
    with launched.connect() as connection:
        answer = connection.check("organisation.tagging", ["track"], recipient="partner:pex")

    assert answer["results"][0]["reason"] == "recipient_not_listed"


def test_a_second_apply_does_nothing(launched: RunningService, fermata: Fermata) -> None:
    """The folder and the service say the same, byte for byte."""
    assert "nothing to publish" in fermata("policy", "apply", LAUNCH_TERMS).out


def test_the_uses_alone_can_be_applied(opened: RunningService) -> None:
    """What the demo does: its own charter, these uses; a line for each step."""
    with opened.connect() as connection:
        lines = list(apply_folder(LAUNCH_TERMS / "uses", connection))

    assert "training.generative_music: version 1, prohibited for internal" in lines


def test_every_use_speaks_the_same_languages_and_answers_the_same_questions() -> None:
    """English and German for every text and name; what, who, why, and how to say no."""
    found = read_policy_folder(LAUNCH_TERMS)

    assert found.charter is not None
    assert found.charter.min_notice_period == "P30D"
    for policy in found.policies:
        assert set(policy.texts) == {"en", "de"}
        assert policy.notice_period == "P30D"
        for part in ("**What.**", "**Who.**", "**Why.**", "**How to say no.**"):
            assert part in policy.texts["en"], (policy.use, part)
        for part in ("**Was.**", "**Wer.**", "**Warum.**", "**So sagst du Nein.**"):
            assert part in policy.texts["de"], (policy.use, part)
    names = found.names()
    assert all(set(called) == {"en", "de"} for called in names.values())
    leaves = {policy.use for policy in found.policies}
    assert set(names) == leaves | {leaf.split(".")[0] for leaf in leaves} | {"*"}


def test_partners_are_named_to_artists_as_well() -> None:
    """Whoever is in the list of recipients is in the words."""
    texts = {policy.use: policy.texts for policy in read_policy_folder(LAUNCH_TERMS).policies}

    for locale in ("en", "de"):
        plain = _plain(texts["creation.tools"][locale])
        assert [partner for partner in PARTNERS if _plain(partner) not in plain] == []
        assert "musiio" in _plain(texts["organisation.tagging"][locale])


def _plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


def test_its_readme_names_every_use() -> None:
    """The table in the example's README is complete."""
    readme = Path(LAUNCH_TERMS / "README.md").read_text("utf-8")

    for policy in read_policy_folder(LAUNCH_TERMS).policies:
        assert f"`{policy.use}`" in readme
