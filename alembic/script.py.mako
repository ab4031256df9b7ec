"""${message.rstrip(".")}.

Revision: ${up_revision}
Follows: ${down_revision | comma,n}
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision: str = ${repr(up_revision)}
down_revision: str | None = ${repr(down_revision)}
branch_labels: str | Sequence[str] | None = ${repr(branch_labels)}
depends_on: str | Sequence[str] | None = ${repr(depends_on)}


def upgrade() -> None:
    """Run beside the release before this one: give up rather than hold its locks."""
    op.execute("SET lock_timeout = '2s'")
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Go back one revision."""
    op.execute("SET lock_timeout = '2s'")
    ${downgrades if downgrades else "pass"}
