"""Alembic runs this to migrate the store; the connection comes from `ledger.adapters.store.migrate`."""

from alembic import context

from ledger.adapters.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
