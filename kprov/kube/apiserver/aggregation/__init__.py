"""Other API servers behind this one: who serves a group and version, whether it answers, and requests to it."""
