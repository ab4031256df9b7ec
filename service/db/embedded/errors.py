"""The one error that the embedded server raises."""


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot be had; the message says why and what to do about it."""
