"""The headers that decisions stand on, once each; decisions made before keep theirs themselves"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "headers",
        sa.Column("hash", sa.String(66), primary_key=True),
        sa.Column("rlp", sa.LargeBinary(), nullable=False),
    )
    waiting = sa.text("bundle IS NULL")
    op.create_index("decisions_waiting", "decisions", ["position"], sqlite_where=waiting, postgresql_where=waiting)


def downgrade() -> None:
    op.drop_index("decisions_waiting", "decisions")
    op.drop_table("headers")
