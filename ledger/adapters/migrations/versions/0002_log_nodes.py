"""The subtrees of the access log, so that proofs need not read all of it"""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    nodes = op.create_table(
        "log_nodes",
        sa.Column("height", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("height", "position"),
    )
    log = sa.table("log", sa.column("index", sa.BigInteger), sa.column("leaf", sa.LargeBinary))
    database = op.get_bind()
    leaves = database.execute(sa.select(log.c.leaf).order_by(log.c.index)).scalars().all()
    # RFC 6962, section 2.1, written out here: a migration must go on doing what it did when it was written.
    level = [hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves]
    height = 0
    while len(level) > 1:
        height += 1
        level = [hashlib.sha256(b"\1" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        op.bulk_insert(nodes, [{"height": height, "position": i, "hash": node} for i, node in enumerate(level)])


def downgrade() -> None:
    op.drop_table("log_nodes")
