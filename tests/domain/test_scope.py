"""Scopes: what a record speaks about, and which of two is the more specific (R3)."""

from hypothesis import given
from hypothesis import strategies as st

from service.domain.consent import Scope

_uses = st.sampled_from(("*", "a", "a.b", "a.b.c", "ab", "a.bc"))
_contents = st.sampled_from((None, "one", "two"))
_recipients = st.sampled_from((None, "internal", "partner:x"))
_scopes = st.builds(Scope, _uses, _contents, _recipients)


def test_a_scope_speaks_about_all_that_it_does_not_narrow() -> None:
    """No content means all, the artist's own likeness included; no recipient means any."""
    everything = Scope("*")
    assert everything.covers("a.b", "one", "partner:x")
    assert everything.covers("a.b", None, "internal")


def test_a_scope_of_one_content_says_nothing_about_the_artist() -> None:
    """A check of the artist is about no content, so only what is said of all of it counts."""
    assert not Scope("*", content="one").covers("a", None, "internal")
    assert not Scope("*", content="one").covers("a", "two", "internal")
    assert not Scope("*", recipient="internal").covers("a", None, "partner:x")


@given(_scopes)
def test_every_scope_is_as_specific_as_itself(scope: Scope) -> None:
    """Which is why a later yes at the same scope needs no rule of its own."""
    assert scope.at_least_as_specific_as(scope)


@given(_scopes, _scopes)
def test_two_scopes_as_specific_as_each_other_are_the_same(one: Scope, other: Scope) -> None:
    """There is exactly one scope for each thing one can speak about."""
    if one.at_least_as_specific_as(other) and other.at_least_as_specific_as(one):
        assert one == other


@given(_scopes, _scopes, _uses, _contents, _recipients)
def test_what_the_more_specific_covers_the_less_specific_covers(
    one: Scope, other: Scope, use: str, content: str | None, recipient: str
) -> None:
    """So a yes that lifts a no speaks of nothing that the no did not speak of."""
    recipient = recipient or "internal"
    if one.at_least_as_specific_as(other) and one.covers(use, content, recipient):
        assert other.covers(use, content, recipient)


@given(_scopes, _scopes)
def test_being_more_specific_is_being_narrower_in_every_dimension(one: Scope, other: Scope) -> None:
    """Narrower in two dimensions and broader in the third is not more specific."""
    dimensions = (
        (Scope(one.use), Scope(other.use)),
        (Scope("*", content=one.content), Scope("*", content=other.content)),
        (Scope("*", recipient=one.recipient), Scope("*", recipient=other.recipient)),
    )
    assert one.at_least_as_specific_as(other) == all(
        narrow.at_least_as_specific_as(broad) for narrow, broad in dimensions
    )
