"""Uses and their policies: the charter, versions, and what a draft would do."""
