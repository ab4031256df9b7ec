"""Audit exports: signed bundles of what was said, told and decided, as of one instant.

`datasets` declares what can be exported, column by column, in one place each; `reading` streams it
from one snapshot; `writers` makes files of it; `build` makes all files of one export and can go on
where another process ended; `finish` describes and signs the bundle; `jobs` is the table of what
was asked for, and `worker` does it. docs/exports.md is the format, for those who verify it.
"""
