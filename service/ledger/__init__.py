"""The ledger: one appender, gapless revisions, exact leaf bytes, and readers of its tail."""
