"""Fuzzing of every parser of foreign bytes."""
