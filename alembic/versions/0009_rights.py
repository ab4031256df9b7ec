"""Tables for legal holds, retention and erasure, and a name for delegates that is not their id.

What a delegate says stands in the artist's own record, sealed and never edited. So that the
delegate can be erased as well, it names them by a reference that the table of delegates alone
resolves.

Revision: 0009
Follows: 0008
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_GIVE_REFERENCES = """
UPDATE delegates SET reference = 'dlg_' || replace(gen_random_uuid()::text, '-', '')
"""

_ONLY_IF_NOTHING_RESTS_ON_IT = """
DO $$ BEGIN
    IF EXISTS (
        SELECT FROM ledger
        WHERE kind IN ('hold.placed', 'hold.lifted', 'retention.set', 'artist.erased')
    ) OR EXISTS (SELECT FROM consents WHERE actor LIKE 'dlg\\_%') THEN
        RAISE EXCEPTION 'holds, retention, erasures or references of delegates are recorded already'
            USING ERRCODE = 'restrict_violation';
    END IF;
END $$
"""


def upgrade() -> None:
    """Add them. Whom the release before grants leave meanwhile gets a reference when they speak."""
    op.execute("SET lock_timeout = '2s'")
    op.create_table(
        "legal_holds",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_revision", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_legal_holds")),
        schema="private",
    )
    op.create_index("ix_legal_holds_subject", "legal_holds", ["subject"], schema="private")
    op.create_table(
        "retention_rules",
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("keep", sa.Text(), nullable=True),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discarded", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_retention_rules")),
    )
    op.create_table(
        "erasures",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_erasures")),
    )
    op.create_index(
        "ix_erasures_unfinished",
        "erasures",
        ["revision"],
        postgresql_where=sa.text("finished_at IS NULL"),
    )
    op.add_column("delegates", sa.Column("reference", sa.Text(), nullable=True))
    op.execute(_GIVE_REFERENCES)


def downgrade() -> None:
    """Drop them, unless something that was recorded rests on them."""
    op.execute("SET lock_timeout = '2s'")
    op.execute(_ONLY_IF_NOTHING_RESTS_ON_IT)
    op.drop_column("delegates", "reference")
    op.drop_table("erasures")
    op.drop_table("retention_rules")
    op.drop_table("legal_holds", schema="private")
