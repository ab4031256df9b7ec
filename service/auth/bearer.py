"""The token in an Authorization header (RFC 6750 section 2.1)."""

from service.auth.problems import Reason, TokenRefused


def bearer_token(authorization: str | None) -> str:
    """Return the token of an `Authorization: Bearer …` header's value.

    Raises TokenRefused (`missing`, or `malformed` for another scheme or more than one word). The
    other two ways of RFC 6750, a form field and the query, are not read: they end up in logs.
    """
    words = (authorization or "").split()
    if not words:
        raise TokenRefused(Reason.MISSING, "send the header 'Authorization: Bearer <access token>'")
    if words[0].lower() != "bearer" or len(words) != 2:  # noqa: PLR2004 -- a scheme and a token
        raise TokenRefused(
            Reason.MALFORMED,
            "the Authorization header must be the word Bearer, a space and one access token",
        )
    return words[1]
