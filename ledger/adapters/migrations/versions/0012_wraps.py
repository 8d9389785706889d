"""Item keys wrapped to everybody who must agree, by address; until now to the subject alone."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "wraps",
        sa.Column("record", sa.String(66), nullable=False),
        sa.Column("reader", sa.String(42), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("wrap", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["record"], ["records.hash"]),
        sa.PrimaryKeyConstraint("record", "reader", "position"),
    )
    op.execute(
        "INSERT INTO wraps (record, reader, position, wrap) "
        "SELECT items.record, records.subject, items.position, items.subject_wrap "
        "FROM items JOIN records ON records.hash = items.record"
    )
    with op.batch_alter_table("items") as items:
        items.drop_column("subject_wrap")


def downgrade() -> None:
    """What was wrapped to stewards is lost: nothing before this knows it."""
    with op.batch_alter_table("items") as items:
        items.add_column(sa.Column("subject_wrap", sa.LargeBinary(), nullable=True))
    op.execute(
        "UPDATE items SET subject_wrap = (SELECT wraps.wrap FROM wraps JOIN records ON records.hash = wraps.record "
        "AND records.subject = wraps.reader WHERE wraps.record = items.record AND wraps.position = items.position)"
    )
    with op.batch_alter_table("items") as items:
        items.alter_column("subject_wrap", existing_type=sa.LargeBinary(), nullable=False)
    op.drop_table("wraps")
