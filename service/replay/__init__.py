"""Replay: every logged decision is recomputed from the ledger prefix it names (R10)."""
