"""Authorities, certificates, keys, expiry, renewal.

The controller keeps the authorities. Machines make their own keys; what travels is the signing request and the
certificate. Which certificates there are is one table, ``catalogue``.
"""
