"""An independent judge of the rules: slow, obvious, and sharing no code with the service."""
