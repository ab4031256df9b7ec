"""What carries a notice to artists: the platform's own messaging by webhook, and e-mail."""
