"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "chain_events",
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("transaction_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("contract", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("args", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("block_number", "log_index"),
        sa.UniqueConstraint("transaction_hash", "log_index"),
    )
    op.create_index("chain_events_by_name", "chain_events", ["name", "block_number"])

    op.create_table(
        "contributions",
        sa.Column("id", sa.LargeBinary(32), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("contributor", sa.String(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("trace_root", sa.LargeBinary(32), nullable=False),
        sa.Column("evidence", sa.LargeBinary(32), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=False),
        sa.Column("batch_id", sa.LargeBinary(32), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job_id", "contributor", "sequence"),
    )
    op.create_index("ix_contributions_batch_id", "contributions", ["batch_id"])

    op.create_table(
        "indexed_blocks",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("terms", sa.JSON(), nullable=False),
        sa.Column("opened_block", sa.BigInteger(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_jobs_owner", "jobs", ["owner"])

    op.create_table(
        "open_batches",
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("contributor", sa.String(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "contributor"),
    )
    op.create_index("ix_open_batches_opened_at", "open_batches", ["opened_at"])

    op.create_table(
        "outgoing_batches",
        sa.Column("id", sa.LargeBinary(32), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("contributor", sa.String(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("leaves_root", sa.LargeBinary(32), nullable=False),
        sa.Column("data_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("recorded_block", sa.BigInteger(), nullable=True),
        sa.Column("refusal", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_outgoing_batches_recorded_block", "outgoing_batches", ["recorded_block"])
    op.create_index("outgoing_batches_by_contributor", "outgoing_batches", ["job_id", "contributor", "first"])

    op.create_table(
        "recorded_batches",
        sa.Column("id", sa.LargeBinary(32), nullable=False),
        sa.Column("job_id", sa.BigInteger(), nullable=False),
        sa.Column("contributor", sa.String(), nullable=False),
        sa.Column("requester", sa.String(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("leaves_root", sa.LargeBinary(32), nullable=False),
        sa.Column("data_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("recorded_block", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("seed_block", sa.BigInteger(), nullable=False),
        sa.Column("phase_deadline", sa.BigInteger(), nullable=True),
        sa.Column("paid", sa.String(78), nullable=True),
        sa.Column("slashed", sa.String(78), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("recorded_batches_by_contributor", "recorded_batches", ["job_id", "contributor", "first"])
    op.create_index("recorded_batches_by_phase", "recorded_batches", ["phase"])
    op.create_index("recorded_batches_in_order", "recorded_batches", ["recorded_block", "log_index"])

    op.create_table(
        "event_subjects",
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["block_number", "log_index"], ["chain_events.block_number", "chain_events.log_index"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("subject", "block_number", "log_index"),
    )
    op.create_index("event_subjects_by_block", "event_subjects", ["block_number"])


def downgrade() -> None:
    """Take back."""
    op.drop_table("event_subjects")

    op.drop_table("recorded_batches")

    op.drop_table("outgoing_batches")

    op.drop_table("open_batches")

    op.drop_table("jobs")
    op.drop_table("indexed_blocks")

    op.drop_table("contributions")

    op.drop_table("chain_events")
