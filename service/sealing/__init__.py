"""Closed months of the decision log, sealed: Parquet files whose root stands in the ledger."""
