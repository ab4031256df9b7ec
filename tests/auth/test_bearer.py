"""The Authorization header."""

import pytest

from service.auth.bearer import bearer_token
from service.auth.problems import Reason, TokenRefused


@pytest.mark.parametrize("header", ["Bearer abc.def", "bearer abc.def", "BEARER   abc.def "])
def test_the_token_follows_the_word_bearer(header: str) -> None:
    """In any case: RFC 9110 section 11.1."""
    assert bearer_token(header) == "abc.def"


@pytest.mark.parametrize("header", [None, "", "  "])
def test_no_header_is_no_token(header: str | None) -> None:
    """Which is told apart from a bad one: RFC 6750 section 3.1 wants no error code then."""
    with pytest.raises(TokenRefused) as caught:
        bearer_token(header)
    assert caught.value.reason is Reason.MISSING


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Basic YTpi", "abc.def", "DPoP abc"])
def test_anything_else_is_malformed(header: str) -> None:
    """Another scheme, no token, or two."""
    with pytest.raises(TokenRefused) as caught:
        bearer_token(header)
    assert caught.value.reason is Reason.MALFORMED
