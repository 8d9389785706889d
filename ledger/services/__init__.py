"""Use cases: each gathers evidence through ports, lets the core decide, and acts once."""
