"""HTTP: requests and responses as handlers see them, and the framework that carries them, kept apart."""
