"""Recorders of the test vectors that come from other programs."""
