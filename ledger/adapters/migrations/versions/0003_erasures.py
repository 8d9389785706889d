"""Erased records; release requests are forgotten when they are too old to be replayed"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("record", sa.String(66), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("parties", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("record"),
    )
    with op.batch_alter_table("requests") as requests:
        requests.add_column(sa.Column("at", sa.BigInteger(), nullable=False, server_default="0"))
        requests.create_index("ix_requests_at", ["at"])


def downgrade() -> None:
    with op.batch_alter_table("requests") as requests:
        requests.drop_index("ix_requests_at")
        requests.drop_column("at")
    op.drop_table("erasures")
