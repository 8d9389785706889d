"""Mutation testing: small faults put into the contracts, one at a time, and whether a Solidity test notices each."""
