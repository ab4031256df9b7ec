"""A running service, each test with a database of its own."""

from tests.api.conftest import begun, door, issuer, movable_url, story

__all__ = ["begun", "door", "issuer", "movable_url", "story"]
