"""The outside of a token: shape, header and signature (proofs 1 to 6 of verifier.py)."""

import json
from dataclasses import dataclass
from typing import Final

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode
from typing_extensions import override

from service.auth.key_set import PublishedKey, PublishedKeys
from service.auth.problems import Reason, TokenRefused
from service.auth.trusted_issuer import ALGORITHMS

LONGEST_TOKEN: Final = 16_384  # characters; servers cut header lines at about as much
_SHOWN: Final = 40
_PLAIN_TYPES: Final = frozenset({"", "jwt"})
_ACCESS_TYPE: Final = "at+jwt"


@dataclass(frozen=True, slots=True)
class TokenHeader:
    """What a token claims about itself before anything is proven."""

    algorithm: str
    kid: str | None
    is_declared_access_token: bool
    """The header says `at+jwt` (RFC 9068 section 2.1)."""


@dataclass(frozen=True, slots=True)
class SignedClaims:
    """Claims that one of the issuer's published keys has signed."""

    claims: dict[str, object]
    key: PublishedKey


class _KeyPairAlgorithms(JWSRegistry):
    """joserfc's algorithms, narrowed to an allow list that cannot be empty by accident.

    The library's own registry falls back to its recommended algorithms, HS256 among them, when the
    list is empty, refuses headers that RFC 7515 section 4 wants ignored, and warns on every use of
    EdDSA, a name that providers go on using.
    """

    max_header_length = 4096  # some issuers put a certificate chain here; it is never looked at

    @override
    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in ALGORITHMS:
            message = f"{name} is not an algorithm of key pairs"
            raise UnsupportedAlgorithmError(message)
        return self.algorithms[name]


_REGISTRY: Final = _KeyPairAlgorithms(algorithms=sorted(ALGORITHMS), strict_check_header=False)


def read_header(token: str, algorithms: tuple[str, ...]) -> TokenHeader:
    """Read an unproven token's header. Raises TokenRefused."""
    header = _decoded_header(_header_segment(token))
    algorithm, kid = header.get("alg"), header.get("kid")
    declared_type = _declared_type(header)  # 3
    if not isinstance(algorithm, str) or algorithm not in algorithms:  # 4
        raise TokenRefused(
            Reason.ALGORITHM_NOT_ALLOWED,
            f"the token is signed with {algorithm!r:.{_SHOWN}}; allowed: {', '.join(algorithms)}",
        )
    if not isinstance(kid, str | None):
        raise _malformed("its kid is not a string")
    return TokenHeader(algorithm, kid, declared_type == _ACCESS_TYPE)


def signed_claims(token: str, header: TokenHeader, keys: PublishedKeys) -> SignedClaims:
    """Return the claims, proven by one of the keys. Raises TokenRefused.

    Only keys that the issuer published are tried: a key, or the address of one, that the token
    itself brings along (`jwk`, `jku`, `x5c`, `x5u`) is never looked at.
    """
    candidates = tuple(keys.candidates(header.algorithm, header.kid))  # 5
    if not candidates:
        raise TokenRefused(
            Reason.UNKNOWN_KEY,
            f"the issuer publishes no {header.algorithm} key named {header.kid!r:.{_SHOWN}}; "
            "get a new token from the issuer that this service trusts",
        )
    for candidate in candidates:
        claims = _verified_by(candidate, token)  # 6
        if claims is not None:
            return SignedClaims(claims, candidate)
    raise TokenRefused(Reason.BAD_SIGNATURE, "the issuer's keys did not sign this token")


def _header_segment(token: str) -> bytes:
    if not token:  # 1
        raise TokenRefused(Reason.MISSING, "send an access token")
    if len(token) > LONGEST_TOKEN:  # 1
        raise _malformed(f"it is longer than {LONGEST_TOKEN} characters")
    if not token.isascii():  # 1
        raise _malformed("it has characters outside ASCII")
    parts = token.split(".")  # 2
    if len(parts) == 5:  # noqa: PLR2004 -- RFC 7516 section 3.1
        raise _malformed("it is encrypted; have the issuer send signed tokens (JWS)")
    if len(parts) != 3:  # noqa: PLR2004 -- RFC 7515 section 3.1
        raise _malformed("it is no JWT; have the issuer send JWT access tokens for this audience")
    return parts[0].encode()


def _decoded_header(segment: bytes) -> dict[str, object]:
    try:
        header = json.loads(urlsafe_b64decode(segment))
    except (ValueError, RecursionError) as error:
        raise _malformed("its header is not JSON in base64url") from error
    if not isinstance(header, dict):  # 2
        raise _malformed("its header is not a JSON object")
    if "crit" in header or "b64" in header:  # 2
        raise _malformed("it demands extensions that are not understood here")
    return header


def _declared_type(header: dict[str, object]) -> str:
    declared = header.get("typ", "")
    # RFC 7515 section 4.1.9: case does not count and "application/" may be left out.
    kind = declared.lower().removeprefix("application/") if isinstance(declared, str) else None
    if kind != _ACCESS_TYPE and kind not in _PLAIN_TYPES:
        raise TokenRefused(
            Reason.WRONG_TYPE, f"the token's typ is {declared!r:.{_SHOWN}}; send an access token"
        )
    return kind


def _verified_by(candidate: PublishedKey, token: str) -> dict[str, object] | None:
    try:
        return jwt.decode(token, candidate.key, registry=_REGISTRY).claims
    except BadSignatureError:
        return None
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise _malformed("its header or its claims cannot be read") from error


def _malformed(why: str) -> TokenRefused:
    return TokenRefused(Reason.MALFORMED, f"the token is not usable: {why}")
