"""Snapshots: the index on disk, so that a replica need not read the ledger from its first event.

`file` has the format, `folder` where the newest one lies, `restore` what is held against the ledger
before anything is answered from it, and `keeper` writes it anew. A snapshot can always be thrown
away: what it says is in the ledger.
"""
