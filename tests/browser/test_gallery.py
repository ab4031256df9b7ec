"""That the gallery is complete."""

from tests.browser.gallery import SIGHTS, templates_on_disk


def test_every_template_has_a_picture() -> None:
    """Whoever adds a page adds it to the gallery."""
    assert {sight.template for sight in SIGHTS} == templates_on_disk()


def test_every_picture_has_a_name_of_its_own() -> None:
    """Or one would be written over the other."""
    names = [sight.name for sight in SIGHTS]
    assert len(names) == len(set(names))
