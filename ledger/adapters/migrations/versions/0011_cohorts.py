"""Consents that are recorded by cohort: which root, and where each grant lies under it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "cohorts",
        sa.Column("root", sa.String(66), nullable=False),
        sa.Column("controller", sa.String(42), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("root"),
    )
    op.create_table(
        "held",
        sa.Column("root", sa.String(66), nullable=False),
        sa.Column("subject", sa.String(42), nullable=False),
        sa.Column("grant", sa.String(66), nullable=False),
        sa.Column("record", sa.String(66), nullable=False),
        sa.Column("relay", sa.String(64), nullable=False),
        sa.Column("consent", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("root", "subject", "grant"),
    )
    op.create_index("ix_held_record", "held", ["record"])
    with op.batch_alter_table("relays") as relays:
        relays.add_column(sa.Column("cohort", sa.String(66), nullable=True))
        relays.create_index("ix_relays_cohort", ["cohort"])


def downgrade() -> None:
    with op.batch_alter_table("relays") as relays:
        relays.drop_index("ix_relays_cohort")
        relays.drop_column("cohort")
    op.drop_table("held")
    op.drop_table("cohorts")
