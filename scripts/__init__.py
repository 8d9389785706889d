"""The volens command and the programs behind make: set-up, devnet, deployment, demonstration."""
