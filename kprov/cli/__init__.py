"""The front door: one file a verb of the ``kprov`` command."""
