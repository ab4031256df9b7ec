"""What the platform's compliance staff looks at, gathered from the rooms beneath for the pages.

Queries take a read session and return dataclasses; nothing here changes anything or knows HTML.
Each is bounded: by an index and a limit, by a sample that says so, or by `bounded`, which gives up.
"""
