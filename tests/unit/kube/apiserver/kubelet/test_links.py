"""Links of pages that are shown through a proxy."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kprov.kube.apiserver.kubelet.links import rewritten, through_proxy

PREFIX = "/api/v1/namespaces/default/pods/web/proxy"
HOSTS = frozenset(("10.244.1.5:80", "api.example:6443"))


def _rewrite(page: str) -> str:
    return rewritten(page, lambda link: through_proxy(link, PREFIX, HOSTS))


@pytest.mark.parametrize(
    ("link", "through"),
    [
        ("/", f"{PREFIX}/"),
        ("/a/b?c=d#e", f"{PREFIX}/a/b?c=d#e"),
        ("/a/../b/", f"{PREFIX}/b/"),
        ("//10.244.1.5:80/a", f"{PREFIX}/a"),
        ("http://10.244.1.5:80/a", f"{PREFIX}/a"),
        ("https://api.example:6443/a", f"{PREFIX}/a"),
        (f"{PREFIX}/already", f"{PREFIX}/already"),
        ("a/b", "a/b"),
        ("../up", "../up"),
        ("#part", "#part"),
        ("?query", "?query"),
        ("mailto:somebody@example", "mailto:somebody@example"),
        ("https://elsewhere.example/a", "https://elsewhere.example/a"),
        ("http://[broken/a", "http://[broken/a"),
        ("", ""),
    ],
)
def test_a_link(link: str, through: str) -> None:
    assert through_proxy(link, PREFIX, HOSTS) == through


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ('<a href="/x">x</a>', f'<a href="{PREFIX}/x">x</a>'),
        ("<A HREF='/x'>x</A>", f'<A HREF="{PREFIX}/x">x</A>'),
        ("<a\n href = /x class=y>x</a>", f'<a\n href = "{PREFIX}/x" class=y>x</a>'),
        ('<img src="/a.png" longdesc="/b" alt="/c"/>', f'<img src="{PREFIX}/a.png" longdesc="{PREFIX}/b" alt="/c"/>'),
        ('<a title="it\'s > that" href="/x">', f'<a title="it\'s > that" href="{PREFIX}/x">'),
        ("<p title=it's><a href='/x'>", f"<p title=it's><a href=\"{PREFIX}/x\">"),
        ('<a title="see href=/y" href="/x?a=1&amp;b=2">', f'<a title="see href=/y" href="{PREFIX}/x?a=1&amp;b=2">'),
        ('<script src="/s.js">go("<a href=/x>")</script>', f'<script src="{PREFIX}/s.js">go("<a href=/x>")</script>'),
        ('<!-- <a href="/x"> --><q cite="/y">', f'<!-- <a href="/x"> --><q cite="{PREFIX}/y">'),
        ('<style>"<a href=/x>"</STYLE><a href=/y>', f'<style>"<a href=/x>"</STYLE><a href="{PREFIX}/y">'),
        ('<a href>, 1 < 2, <a href="">, </a>', '<a href>, 1 < 2, <a href="">, </a>'),
        ('<a href="/cut off', '<a href="/cut off'),
        ('<abbr href="/x">', '<abbr href="/x">'),
    ],
)  # fmt: skip
def test_a_page(page: str, shown: str) -> None:
    assert _rewrite(page) == shown


@given(st.text(alphabet="<>a=/'\" href!-script\n&;é\udcff", max_size=80))
def test_only_links_change(page: str) -> None:
    assert rewritten(page, lambda link: link) == page
    _rewrite(page)


@pytest.mark.parametrize(
    "piece", ["<a ", "<a href='", "<!-", "<!--", '<a b="', "<script>", "<a href=/x", "<a " + "b" * 9]
)
def test_no_page_takes_long(piece: str) -> None:
    page = piece * (1_000_000 // len(piece))
    began = time.process_time()
    _rewrite(page)
    assert time.process_time() - began < 5.0
