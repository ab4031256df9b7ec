"""Who is calling, and what may they do: OAuth 2.0 bearer tokens of one trusted OpenID provider.

This room ends at a `Principal` or at a refusal with a reason. It knows no HTTP status code, no
database and no artist: which artist a subject may speak for is asked further up.
"""
