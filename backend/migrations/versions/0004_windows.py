"""Where a retrieval job's windows stand, and false answers that wait to be slashed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "window_positions",
        sa.Column("job_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_table(
        "false_answers",
        sa.Column("query", sa.LargeBinary(32), nullable=False),
        sa.Column("source", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("which", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("query", "source"),
    )


def downgrade() -> None:
    """Undo."""
    for table in ("false_answers", "window_positions"):
        op.drop_table(table)
