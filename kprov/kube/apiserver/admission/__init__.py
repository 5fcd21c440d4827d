"""Admission: what may still change or refuse a write once it is authorized."""
