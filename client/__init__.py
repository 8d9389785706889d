"""Using Volens over HTTP: what institutions and recipients do. Knows the core, never the service's insides."""
