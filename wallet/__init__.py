"""The patient's side: keys, keystore and a client; nothing here is ever run by the service."""
