"""What is said about an offer before it is signed: questions, answers, a refusal"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "offer_messages",
        sa.Column("token", sa.String(66), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("record", sa.String(66), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("author", sa.String(42), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token", "position"),
    )
    op.create_index("ix_offer_messages_record", "offer_messages", ["record"])


def downgrade() -> None:
    op.drop_table("offer_messages")
