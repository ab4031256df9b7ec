"""OpenID AuthZEN Authorization API 1.0 over the same decisions: docs/decisions has the mapping."""
