"""Volens ledger: what a patient's consent means, how it is proven, and where it is kept."""
