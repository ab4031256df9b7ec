"""Evidence packs: documents for others that fill themselves from the ledger and the log."""
