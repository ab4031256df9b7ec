"""The HTTP door: one thin file per resource; only `problems` knows status codes."""
