"""Tables for periods of the decision log that are sealed.

Revision: 0008
Follows: 0007
"""

from collections.abc import Sequence

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add them."""


def downgrade() -> None:
    """Drop them."""
