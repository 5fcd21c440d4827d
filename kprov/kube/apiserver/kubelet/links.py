"""Links of pages that are shown through a proxy: those that begin at the root of their server begin below the proxy.

As upstream's proxy does it: which attributes of which elements hold links is HTML's own table; what is relative, or
leads to another server, stays as it is. Everything but the values of these attributes stays byte for byte.
"""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Callable
from urllib.parse import urlsplit, urlunsplit

_LINKS: dict[str, frozenset[str]] = {
    name: frozenset(attributes.split())
    for name, attributes in {
        "a": "href",
        "applet": "codebase",
        "area": "href",
        "audio": "src",
        "base": "href",
        "blockquote": "cite",
        "body": "background",
        "button": "formaction",
        "command": "icon",
        "del": "cite",
        "embed": "src",
        "form": "action",
        "frame": "longdesc src",
        "head": "profile",
        "html": "manifest",
        "iframe": "longdesc src",
        "img": "longdesc src usemap",
        "input": "src usemap formaction",
        "ins": "cite",
        "link": "href",
        "object": "classid codebase data usemap",
        "q": "cite",
        "script": "src",
        "source": "src",
        "video": "poster src",
    }.items()
}
# Possessive throughout, and every branch takes what it has looked at: a page cannot make this slower than linear.
_MARKUP = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(?P<name>[a-zA-Z][^\s/>]*+)"
    r"(?P<attributes>(?:[^>=]++|=\s*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^\s>\"'][^\s>]*+)?+)*+)",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(
    r"(?P<name>[^\s=>/]++)(?:(?P<sign>\s*+=\s*+)(?P<value>\"[^\"]*+\"?+|'[^']*+'?+|[^\s>]++)?+)?+", re.DOTALL
)
_NO_MARKUP_WITHIN = frozenset(
    ("iframe", "noembed", "noframes", "noscript", "script", "style", "textarea", "title", "xmp")
)


def through_proxy(link: str, prefix: str, hosts: frozenset[str]) -> str:
    """A link as a client of the proxy has to follow it.

    Args:
        link: as the page, or a Location header, has it.
        prefix: the proxy's own path.
        hosts: under which names, with port, the page's server is known; links to others are left alone.
    """
    try:
        parts = urlsplit(link)
    except ValueError:
        return link
    if (parts.netloc and parts.netloc not in hosts) or not parts.path.startswith("/"):
        return link
    if parts.path.startswith(prefix):
        path = parts.path
    else:
        path = posixpath.normpath(f"{prefix}/{parts.path.lstrip('/')}")
        if parts.path.endswith("/") and not path.endswith("/"):
            path += "/"
    return urlunsplit(("", "", path, parts.query, parts.fragment))


def rewritten(page: str, rewrite: Callable[[str], str]) -> str:
    """A page with all its links rewritten.

    Args:
        page: HTML, well formed or not.
        rewrite: makes a link's new form of its old one.
    """
    out: list[str] = []
    copied = position = 0
    while (found := _MARKUP.search(page, position)) is not None:
        position = found.end()
        if found["name"] is None:
            continue
        name = found["name"].lower()
        wanted = _LINKS.get(name)
        if wanted is not None and position < len(page):  # a tag that the page's end cuts off is none
            start = found.start("attributes")
            for attribute in _ATTRIBUTE.finditer(found["attributes"]):
                value = attribute["value"]
                if not value or attribute["name"].lower() not in wanted:
                    continue
                quoted = value[0] in "\"'"
                old = html.unescape(value[1:-1] if quoted else value)
                new = rewrite(old)
                if new != old:
                    out.append(page[copied : start + attribute.start("value")])
                    out.append(f'"{html.escape(new)}"')
                    copied = start + attribute.end("value")
        if name in _NO_MARKUP_WITHIN:
            end = re.compile(f"</{name}", re.IGNORECASE).search(page, position)
            position = end.start() if end else len(page)
    out.append(page[copied:])
    return "".join(out)
