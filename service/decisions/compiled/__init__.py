"""The compiled index: what the rules say, laid out in arrays so that a batch is a gather (R9)."""
