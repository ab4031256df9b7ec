"""Batches are kept as they are: compressing one takes longer than whoever waits may have to.

Revision: 0004
Follows: 0003
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Compress no batch from now on; those that are there stay as they are."""
    op.execute("SET lock_timeout = '2s'")
    op.execute("ALTER TABLE ledger_batches ALTER COLUMN body SET STORAGE EXTERNAL")


def downgrade() -> None:
    """Go back one revision."""
    op.execute("SET lock_timeout = '2s'")
    op.execute("ALTER TABLE ledger_batches ALTER COLUMN body SET STORAGE EXTENDED")
