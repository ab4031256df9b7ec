"""Pages: the artists' settings, the public policies, the link in a letter."""
