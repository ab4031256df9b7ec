"""Tables for what is exported, and how far it has come.

Revision: 0007
Follows: 0006
"""

from collections.abc import Sequence

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add them."""


def downgrade() -> None:
    """Drop them."""
