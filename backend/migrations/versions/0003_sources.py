"""Queries that sources answered, and feedback."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "answered_queries",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("asker", sa.String(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_answered_queries_window", "answered_queries", ["window"])
    op.create_table(
        "given_feedback",
        sa.Column("query", sa.LargeBinary(32), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("judge", sa.Boolean(), nullable=False),
        sa.Column("feedback", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("query", "account"),
    )
    op.create_index("ix_given_feedback_account", "given_feedback", ["account"])


def downgrade() -> None:
    """Undo."""
    for table in ("given_feedback", "answered_queries"):
        op.drop_table(table)
