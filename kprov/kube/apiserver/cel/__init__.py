"""Rules in CEL, the Common Expression Language: compiled once, evaluated for every object."""
