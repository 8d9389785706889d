"""Purposes and channels: the codes a grant uses, the words a patient reads for them, and which covers which."""

from ledger.vocabulary.codes import (
    CHANNELS,
    DISEASES,
    DUO_MODIFIER,
    DUO_PERMISSION,
    LANGUAGES,
    PUBLICATION_PURPOSES,
    PURPOSES,
    USE,
    Channel,
    Disease,
    Purpose,
    channel,
    disease,
    purpose,
    reason,
)
from ledger.vocabulary.coverage import Coverage, Facts, covers_channel, covers_purpose

__all__ = [
    "CHANNELS",
    "DISEASES",
    "DUO_MODIFIER",
    "DUO_PERMISSION",
    "LANGUAGES",
    "PUBLICATION_PURPOSES",
    "PURPOSES",
    "USE",
    "Channel",
    "Coverage",
    "Disease",
    "Facts",
    "Purpose",
    "channel",
    "covers_channel",
    "covers_purpose",
    "disease",
    "purpose",
    "reason",
]
