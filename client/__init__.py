"""Fermata's client: ask before you read. It knows the wire and nothing of the service.

An error of any kind is no permit: `check` raises, and whoever catches it has no answer to act on.
"""

from client.connection import Connection, Problem, TokenSource, fixed_token, local_tokens

__all__ = ["Connection", "Problem", "TokenSource", "fixed_token", "local_tokens"]
