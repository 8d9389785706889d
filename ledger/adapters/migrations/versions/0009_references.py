"""References: short codes that name a record and a recipient to the outside"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "record_references",
        sa.Column("code", sa.String(32), primary_key=True),
        sa.Column("record", sa.String(66), nullable=False),
        sa.Column("recipient", sa.String(42), nullable=False),
        sa.UniqueConstraint("record", "recipient"),
    )


def downgrade() -> None:
    op.drop_table("record_references")
