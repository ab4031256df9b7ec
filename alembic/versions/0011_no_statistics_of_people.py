"""No statistics about columns that say who somebody is, what they said, or how to read it.

The planner's statistics hold values as they are, and stay when a table is emptied: an erasure would
have to reach into the catalogue, which not every role may do.

Revision: 0011
Follows: 0010
"""

from collections.abc import Sequence

from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

PERSONAL = {
    "artists": {"artist_id": "text", "name": "text"},
    "consents": {"actor": "text", "channel": "text", "locale": "text", "shown": "jsonb"},
    "content": {"title": "text"},
    "delegates": {"delegate": "text"},
    "idempotency_keys": {"key": "text", "answer": "jsonb"},
    "private.contacts": {"email": "text", "locale": "text"},
    "private.event_details": {"ciphertext": "bytea"},
    "private.legal_holds": {"reason": "text", "placed_by": "text", "lifted_by": "text"},
    "private.subjects": {"wrapped_key": "bytea"},
    "sends": {"message_id": "text", "reason": "text"},
}


_SENDS_BY_MESSAGE = "ix_sends_message"


def upgrade() -> None:
    """Collect none from now on, and drop those that there are."""
    # One table at a time: writers take some of them in another order. A column that is given the
    # type it has loses its statistics and is not written anew, but an index of a part of it is.
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '2s'")
        op.drop_index(
            _SENDS_BY_MESSAGE, table_name="sends", postgresql_concurrently=True, if_exists=True
        )
        for table, columns in PERSONAL.items():
            changes = [
                change
                for column, kind in columns.items()
                for change in (
                    f"ALTER COLUMN {column} TYPE {kind}",
                    f"ALTER COLUMN {column} SET STATISTICS 0",
                )
            ]
            op.execute(f"ALTER TABLE {table} {', '.join(changes)}")
        op.create_index(
            _SENDS_BY_MESSAGE,
            "sends",
            ["message_id"],
            postgresql_where="message_id IS NOT NULL",
            postgresql_concurrently=True,
        )


def downgrade() -> None:
    """Let them be collected again."""
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '2s'")
        for table, columns in PERSONAL.items():
            changes = [f"ALTER COLUMN {column} SET STATISTICS -1" for column in columns]
            op.execute(f"ALTER TABLE {table} {', '.join(changes)}")
