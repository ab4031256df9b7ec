"""Why no principal comes out: the token is refused, or nobody can tell.

Neither is ever an accept. The doors turn the first into "not authenticated" and the second into
"not available"; how these look on the wire is their business.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a token is refused. Stable, and safe to show to whoever sent the token."""

    MISSING = "missing"
    MALFORMED = "malformed"
    WRONG_TYPE = "wrong_type"
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    NOT_AN_ACCESS_TOKEN = "not_an_access_token"  # noqa: S105 -- a reason, not a secret
    PROOF_REQUIRED = "proof_required"
    NO_SUBJECT = "no_subject"
    NO_CLIENT = "no_client"
    WRONG_NONCE = "wrong_nonce"
    NOT_AN_ID_TOKEN = "not_an_id_token"  # noqa: S105 -- likewise


class TokenRefused(Exception):  # noqa: N818 -- a refusal is an outcome, not an error
    """The token proves nothing. `detail` tells its sender, in English, what to do instead."""

    def __init__(self, reason: Reason, detail: str) -> None:
        """Keep both; `detail` never holds the token itself."""
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class IssuerUnreachable(Exception):  # noqa: N818 -- an outcome of its own: cannot tell
    """Whether the token is good cannot be told now. `detail` tells the operator what to look at."""

    def __init__(self, detail: str) -> None:
        """Keep what the operator needs to know."""
        super().__init__(detail)
        self.detail = detail
