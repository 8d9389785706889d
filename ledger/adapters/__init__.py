"""Implementations of the ports: the chain, the database, the vault and their in-memory twins."""
