"""The routes: parse, one use case, shape."""
