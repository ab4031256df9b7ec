"""Decisions: the index that follows the ledger, the check, and the log of what was answered."""
