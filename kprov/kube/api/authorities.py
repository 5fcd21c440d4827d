"""Whom TLS trusts: every certificate that is given is an authority of its own, as Go has it.

OpenSSL would trust one that another has signed only together with that other, up to one that signed itself.
"""

from __future__ import annotations

import ssl


def trust_each(context: ssl.SSLContext) -> ssl.SSLContext:
    """Trust each authority of a context for itself, whoever signed it. Returns the context."""
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context
