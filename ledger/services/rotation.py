"""Rotating the custodian's master key: every record key is wrapped anew, without unsealing anything."""

from collections.abc import Callable

from ledger.errors import InvalidInput
from ledger.ports import Keys
from ledger.sealing import Secret
from ledger.services.custody import Master

BATCH = 200


def rotate(
    keys: Keys, old: Secret[bytes], new: Secret[bytes], progress: Callable[[int, int], None] = lambda *_: None
) -> int:
    """Wrap every record key with a new master key; the old one is refused from then on.

    Each batch is durable as a whole before the next begins, so after a kill at any moment every key opens with one of
    the two, and the same call again goes on. A service that runs meanwhile goes on with both.

    Args:
        progress: called with (done, in all).

    Returns:
        How many keys were wrapped anew by this call.

    Raises:
        InvalidInput: the keys are the same, or neither is the one in use.
        Refused: a key in the store opens with neither.
    """
    before, after = Master.of(old), Master.of(new)
    if before.id == after.id:
        raise InvalidInput("The new master key is the old one.")
    if keys.master() not in (None, before.id, after.id):
        raise InvalidInput("The key store is used with another master key than the one to be replaced.")
    keys.set_master(after.id)
    total, done = keys.count_others(after.id), 0
    while rows := keys.others(after.id, BATCH):
        opened = ((record, wrapped, before.open(wrapped, record)) for record, wrapped in rows)
        keys.replace(after.id, [(record, wrapped, after.wrap(key, record)) for record, wrapped, key in opened])
        done += len(rows)
        progress(done, max(total, done))
    return done
