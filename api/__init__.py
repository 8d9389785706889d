"""The HTTP service of Volens."""
