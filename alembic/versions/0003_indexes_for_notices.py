"""Indexes that reminders and the counting of notices use, built beside running writers.

Revision: 0003
Follows: 0002
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Build both without locking anybody out; one that was left half-built is built anew."""
    with op.get_context().autocommit_block():
        for name, table, columns in (
            ("ix_deliveries_notice_closes", "deliveries", ["notice_id", "closes_at"]),
            ("ix_consents_use_subject", "consents", ["use", "subject"]),
        ):
            op.drop_index(name, table_name=table, postgresql_concurrently=True, if_exists=True)
            op.create_index(name, table, columns, postgresql_concurrently=True)


def downgrade() -> None:
    """Go back one revision."""
    with op.get_context().autocommit_block():
        for name, table in (
            ("ix_consents_use_subject", "consents"),
            ("ix_deliveries_notice_closes", "deliveries"),
        ):
            op.drop_index(name, table_name=table, postgresql_concurrently=True)
