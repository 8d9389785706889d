"""The signed receipt of every message that was received, kept before it is handed out"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.batch_alter_table("relays") as relays:
        relays.add_column(sa.Column("receipt", sa.JSON(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("relays") as relays:
        relays.drop_column("receipt")
