"""The tables of the store, for SQLite and PostgreSQL alike. Changing one needs a migration beside it."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
)

metadata = MetaData()

_hash = String(66)
_address = String(42)
# SQLite counts only INTEGER PRIMARY KEY columns up by itself.
_serial = BigInteger().with_variant(Integer, "sqlite")

facts = Table("facts", metadata, Column("name", String(64), primary_key=True), Column("value", JSON, nullable=False))

blocks = Table(
    "blocks",
    metadata,
    Column("number", BigInteger, primary_key=True),
    Column("hash", _hash, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("block_number", BigInteger, primary_key=True),
    Column("log_index", Integer, primary_key=True),
    Column("block_hash", _hash, nullable=False),
    Column("transaction", _hash, nullable=False),
    Column("name", String(32), nullable=False),
    Column("fields", JSON, nullable=False),
)

denials = Table(
    "denials",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("subject", _address, primary_key=True),
    Column("value", String(66), primary_key=True),
    Column("at", BigInteger, nullable=False),
    Index("denials_of_subject", "subject"),
)

records = Table(
    "records",
    metadata,
    Column("hash", _hash, primary_key=True),
    Column("subject", _address, nullable=False, index=True),
    Column("controller", _address, nullable=False, server_default="", index=True),
    Column("record", JSON, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),
)

items = Table(
    "items",
    metadata,
    Column("record", _hash, ForeignKey("records.hash"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("item", JSON, nullable=False),
    Column("sealed", _hash, nullable=False, index=True),
    Column("sealed_size", BigInteger, nullable=False),
    Column("custody_wrap", String, nullable=False),
)

# Item keys, each wrapped to the subject's or a steward's own encryption key.
wraps = Table(
    "wraps",
    metadata,
    Column("record", _hash, ForeignKey("records.hash"), primary_key=True),
    Column("reader", _address, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("wrap", LargeBinary, nullable=False),
)

uploads = Table(
    "uploads",
    metadata,
    Column("sealed", _hash, primary_key=True),
    Column("controller", _address, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)

invitations = Table(
    "invitations",
    metadata,
    Column("token", _hash, primary_key=True),
    Column("controller", _address, nullable=False),
    Column("title", String, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("subject", _address, index=True),
    Column("encryption_key", LargeBinary),
)

offers = Table(
    "offers",
    metadata,
    Column("token", _hash, primary_key=True),
    Column("record", _hash, nullable=False),
    Column("grants", JSON, nullable=False),
    Column("language", String(16), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

offer_messages = Table(
    "offer_messages",
    metadata,
    Column("token", _hash, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("record", _hash, nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("author", _address, nullable=False),
    Column("text", String, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# Short codes that name a record and a recipient to the outside.
references = Table(
    "record_references",
    metadata,
    Column("code", String(32), primary_key=True),
    Column("record", _hash, nullable=False),
    Column("recipient", _address, nullable=False),
    UniqueConstraint("record", "recipient"),
)

documents = Table(
    "documents",
    metadata,
    Column("hash", _hash, primary_key=True),
    Column("body", JSON, nullable=False),
)

grants = Table(
    "grants",
    metadata,
    Column("hash", _hash, primary_key=True),
    Column("record", _hash, nullable=False, index=True),
    Column("recipient", _address, nullable=False, server_default="", index=True),
    Column("grant", JSON, nullable=False),
)

consents = Table(
    "consents",
    metadata,
    Column("hash", _hash, primary_key=True),
    Column("subject", _address, nullable=False, index=True),
    Column("signer", _address, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
)

consent_grants = Table(
    "consent_grants",
    metadata,
    Column("consent", _hash, ForeignKey("consents.hash"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("grant", _hash, ForeignKey("grants.hash"), nullable=False, index=True),
)

approvals = Table(
    "approvals",
    metadata,
    Column("hash", _hash, primary_key=True),
    Column("record", _hash, nullable=False, index=True),
    Column("recipient", _address, nullable=False, server_default="", index=True),
    Column("approval", JSON, nullable=False),
    Column("signature", LargeBinary, nullable=False),
)

relays = Table(
    "relays",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("position", _serial, nullable=False, unique=True),
    Column("withdrawal", Boolean, nullable=False),
    Column("type", String(32), nullable=False),
    Column("message", JSON, nullable=False),
    Column("signer", _address, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("received_at", BigInteger, nullable=False),
    Column("transaction", _hash, index=True),
    Column("block_number", BigInteger),
    Column("block_hash", _hash),
    Column("problem", String),
    Column("receipt", JSON),
    Column("cohort", _hash, index=True),
)

# Consents that are recorded together, by one root.
cohorts = Table(
    "cohorts",
    metadata,
    Column("root", _hash, primary_key=True),
    Column("controller", _address, nullable=False),
    Column("size", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# Where each of their grants lies in it: the signed consent with root and proof.
held = Table(
    "held",
    metadata,
    Column("root", _hash, primary_key=True),
    Column("subject", _address, primary_key=True),
    Column("grant", _hash, primary_key=True),
    Column("record", _hash, nullable=False, index=True),
    Column("relay", String(64), nullable=False),
    Column("consent", JSON, nullable=False),
)

# What the account that pays has signed. `first` is the same for all that have the same content and number.
transactions = Table(
    "transactions",
    metadata,
    Column("hash", _hash, primary_key=True),
    Column("position", _serial, nullable=False, unique=True),
    Column("sender", _address, nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("fee_limit", BigInteger, nullable=False),
    Column("fee_tip", BigInteger, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("first", _hash, nullable=False, index=True),
    Index("transactions_of_sender", "sender", "nonce"),
)

answers = Table(
    "answers",
    metadata,
    Column("key", _hash, primary_key=True),
    Column("fingerprint", _hash, nullable=False),
    Column("status", Integer),
    Column("sealed", LargeBinary, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

nonces = Table(
    "nonces",
    metadata,
    Column("nonce", String(64), primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("token", _hash, primary_key=True),
    Column("address", _address, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    Column("recipient", _address, primary_key=True),
    Column("nonce", _hash, primary_key=True),
    Column("at", BigInteger, nullable=False, server_default="0", index=True),
)

erasures = Table(
    "erasures",
    metadata,
    Column("record", _hash, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("parties", JSON, nullable=False),
    Column("sealed", JSON, nullable=False),
)

log = Table(
    "log",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("record", _hash, index=True),
)

# Complete subtrees of the log's Merkle tree above its entries (RFC 6962); `height` 1 is the first above them.
log_nodes = Table(
    "log_nodes",
    metadata,
    Column("height", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)

# Of blocks that decisions stand on; each decision names those it needs by hash.
headers = Table(
    "headers",
    metadata,
    Column("hash", _hash, primary_key=True),
    Column("rlp", LargeBinary, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("position", _serial, nullable=False, unique=True),
    Column("value", JSON, nullable=False),
    Column("bundle", LargeBinary),
)
Index(
    "decisions_waiting",
    decisions.c.position,
    sqlite_where=decisions.c.bundle.is_(None),
    postgresql_where=decisions.c.bundle.is_(None),
)
