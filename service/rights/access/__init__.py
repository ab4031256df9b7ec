"""The access file: all the service knows of one artist, for them to read and to take along.

`gather` reads it from one snapshot; `written` makes JSON-LD of it, or a page to print.
"""
