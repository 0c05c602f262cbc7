"""Callers' nonces and sign-ins, and evidence that is wanted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "used_nonces",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "nonce"),
    )
    op.create_index("ix_used_nonces_expires_at", "used_nonces", ["expires_at"])
    op.create_table(
        "sign_ins",
        sa.Column("token_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token_digest"),
    )
    op.create_index("ix_sign_ins_expires_at", "sign_ins", ["expires_at"])
    op.create_table(
        "evidence_pins",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("pinned_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "account"),
    )


def downgrade() -> None:
    """Undo."""
    for table in ("evidence_pins", "sign_ins", "used_nonces"):
        op.drop_table(table)
