"""The packs there are, as exports ask for them."""

from service.evidence.packs import PACKS


def test_packs_are_known_by_name() -> None:
    """With what has to be said to have one, and whether people are in it."""
    assert {name: (pack.name, pack.personal) for name, pack in PACKS.items()} == {
        "eu-training-summary": ("eu-training-summary", False),
        "licensing-certification": ("licensing-certification", True),
    }
    assert {pack.needs for pack in PACKS.values()} == {frozenset({"use", "recipient"})}
