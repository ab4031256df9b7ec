"""Fixtures for the token tests."""

import pytest

from service.auth.verifier import TokenVerifier
from tests.auth.issuers import MemoryIssuer, StoppedClock, verifier_of


@pytest.fixture
def clock() -> StoppedClock:
    """A clock that stands still."""
    return StoppedClock()


@pytest.fixture
def issuer() -> MemoryIssuer:
    """An issuer with one ES256 key."""
    return MemoryIssuer()


@pytest.fixture
def verifier(issuer: MemoryIssuer, clock: StoppedClock) -> TokenVerifier:
    """A verifier that trusts the issuer."""
    return verifier_of(issuer, clock)
