"""Transactions by their numbers, so that one that is stuck can be replaced; relays only name theirs.

What was on its way before is looked for on chain by its hash, and sent again when it is not there.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "transactions",
        sa.Column("hash", sa.String(66), nullable=False),
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sender", sa.String(42), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("fee_limit", sa.BigInteger(), nullable=False),
        sa.Column("fee_tip", sa.BigInteger(), nullable=False),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.String(66), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        sa.UniqueConstraint("position"),
    )
    op.create_index("transactions_of_sender", "transactions", ["sender", "nonce"])
    op.create_index("ix_transactions_first", "transactions", ["first"])
    with op.batch_alter_table("relays") as relays:
        relays.drop_column("raw")
        relays.create_index("ix_relays_transaction", ["transaction"])


def downgrade() -> None:
    with op.batch_alter_table("relays") as relays:
        relays.drop_index("ix_relays_transaction")
        relays.add_column(sa.Column("raw", sa.LargeBinary(), nullable=True))
    op.drop_table("transactions")
