"""The catalogue: artists and content, and where they are read from."""
