"""The tree for outsiders: its full tiles, signed checkpoints, and what witnesses signed.

Revision: 0006
Follows: 0005
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ONLY_IF_UNSIGNED = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM ledger_checkpoints WHERE size > 0) THEN
        RAISE EXCEPTION 'checkpoints of this ledger were signed; they are never dropped'
            USING ERRCODE = 'restrict_violation';
    END IF;
END $$
"""


def upgrade() -> None:
    """Add tables. Tiles of events that are there already are written by the service, bit by bit."""
    op.execute("SET lock_timeout = '2s'")
    op.create_table(
        "ledger_tiles",
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name=op.f("pk_ledger_tiles")),
    )
    # Hashes do not get shorter by compressing them.
    op.execute("ALTER TABLE ledger_tiles ALTER COLUMN hashes SET STORAGE EXTERNAL")
    op.create_table(
        "ledger_checkpoints",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("origin", "size", name=op.f("pk_ledger_checkpoints")),
    )
    op.create_table(
        "ledger_cosignatures",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("witness", sa.Text(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("origin", "size", "witness", name=op.f("pk_ledger_cosignatures")),
    )
    for table in ("ledger_tiles", "ledger_checkpoints", "ledger_cosignatures"):
        op.execute(
            f"CREATE TRIGGER never_edited BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def downgrade() -> None:
    """Drop them, unless outsiders may hold a checkpoint."""
    op.execute("SET lock_timeout = '2s'")
    op.execute(_ONLY_IF_UNSIGNED)
    op.drop_table("ledger_cosignatures")
    op.drop_table("ledger_checkpoints")
    op.drop_table("ledger_tiles")
