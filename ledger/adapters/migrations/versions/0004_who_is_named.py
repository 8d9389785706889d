"""Who is named by a grant, an approval and a record, in columns of their own: searches must not read every row"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

COLUMNS = (
    ("records", "controller", "record"),
    ("grants", "recipient", "grant"),
    ("approvals", "recipient", "approval"),
)


def upgrade() -> None:
    connection = op.get_bind()
    for name, column, source in COLUMNS:
        with op.batch_alter_table(name) as table:
            table.add_column(sa.Column(column, sa.String(42), nullable=False, server_default=""))
            table.create_index(f"ix_{name}_{column}", [column])
        rows = sa.table(name, sa.column("hash"), sa.column(column), sa.column(source, sa.JSON()))
        for key, value in connection.execute(sa.select(rows.c.hash, rows.c[source])).all():
            connection.execute(sa.update(rows).where(rows.c.hash == key).values({column: value[column]}))


def downgrade() -> None:
    for name, column, _ in COLUMNS:
        with op.batch_alter_table(name) as table:
            table.drop_index(f"ix_{name}_{column}")
            table.drop_column(column)
