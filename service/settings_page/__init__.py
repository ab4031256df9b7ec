"""What an artist's settings page shows, and what a change on it would do."""
