"""The groups of `volens` commands, one module for each kind of person."""
