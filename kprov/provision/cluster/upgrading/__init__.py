"""A cluster that stands is moved to another release, machine by machine, with a way back."""
