"""The functions that Kubernetes adds to CEL."""

from __future__ import annotations

import re

import pytest

from kprov.kube.apiserver.cel.expressions import CelError, compiled


@pytest.mark.parametrize(
    "expression",
    [
        # addresses
        "isIP('10.0.0.1') && isIP('::1') && !isIP('10.0.0.01') && !isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0')",
        "ip('10.0.0.1').family() == 4 && ip('2001:db8::1').family() == 6",
        "ip('2001:DB8:0::1') == ip('2001:db8::1') && string(ip('2001:DB8:0::1')) == '2001:db8::1'",
        "ip.isCanonical('2001:db8::1') && !ip.isCanonical('2001:DB8::1')",
        "ip('0.0.0.0').isUnspecified() && ip('127.0.0.1').isLoopback() && ip('::1').isLoopback()",
        "ip('224.0.0.1').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast()",
        "ip('ff02::1').isLinkLocalMulticast() && ip('169.254.1.1').isLinkLocalUnicast()",
        "ip('10.0.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast()",
        "isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0/08') && !isCIDR('10.0.0.0/33') && !isCIDR('10.0.0.0')",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
        "!cidr('10.0.0.0/8').containsIP('::1')",
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.1.0.0/16').containsCIDR(cidr('10.0.0.0/8'))",
        "cidr('10.1.2.3/8').ip() == ip('10.1.2.3') && cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8')",
        "cidr('10.1.2.3/8').prefixLength() == 8 && string(cidr('2001:DB8::/32')) == '2001:db8::/32'",
        # formats
        "!format.dns1123Label().validate('a-b').hasValue() && format.dns1123Label().validate('A').hasValue()",
        "format.dns1123Label().validate('A').value()[0].contains('lowercase RFC 1123 label')",
        "format.named('dns1123Subdomain').hasValue() && !format.named('nothing').hasValue()",
        "!format.named('uuid').value().validate('00000000-0000-0000-0000-000000000000').hasValue()",
        "!format.dns1035LabelPrefix().validate('a-').hasValue() && format.dns1035Label().validate('a-').hasValue()",
        "format.date().validate('2024-02-30').hasValue()",
        "!format.datetime().validate('2024-02-01T00:00:00Z').hasValue()",
        "format.byte().validate('a').hasValue() && format.labelValue().validate('-').hasValue()",
        # versions
        "semver('1.2.3-rc.2').isLessThan(semver('1.2.3')) && semver('1.10.0').isGreaterThan(semver('1.9.9'))",
        "semver('1.2.3-rc.2').compareTo(semver('1.2.3-rc.10')) == -1",
        "semver('1.2.3-1').isLessThan(semver('1.2.3-a'))",
        "isSemver('1.2.3+build') && !isSemver('v1.2') && isSemver('v1.2', true) && !isSemver('01.2.3')",
        "semver('v1.02', true).minor() == 2 && semver('1.2.3').major() + semver('1.2.3').patch() == 4",
        # quantities and versions share names
        "quantity('1Gi').compareTo(quantity('1024Mi')) == 0",
        # texts, as RE2 reads them
        r"'ab12'.find('[[:digit:]]+') == '12' && 'a1b2'.findAll('[0-9]', 1) == ['1'] && 'x'.find('y') == ''",
        r"('a' + 'a'.replace('a', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa') + '!').find('(a+)+$') == ''",
        # sets of anything
        "sets.equivalent([{'a': [1]}, {'a': [1]}], [{'a': [1]}])",
        "sets.contains([1, 2.0], [2]) && !sets.intersects([1], ['1'])",
    ],
)
def test_it_is_so(expression: str) -> None:
    assert compiled(expression, ("self",)).evaluate({"self": None}) is True


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("ip('::ffff:1.2.3.4').family() == 6", "IPv4-mapped IPv6 address"),
        ("ip('x').family() == 6", "'x' does not appear to be an IPv4 or IPv6 address"),
        ("cidr('10.0.0.0').prefixLength() == 6", "address"),
        ("cidr('10.0.0.0/8').family() == 4", "no such overload"),
        ("semver('1.2').major() == 1", "semver parse error"),
        ("quantity('1').isLessThan(semver('1.2.3'))", "no such overload"),
        ("format.date().validate('2024-01-01').value() == []", "optional.none() dereference"),
        ("'a'.find('(?=a)') == ''", "error parsing regexp"),
    ],
)
def test_what_makes_no_sense_is_said(expression: str, said: str) -> None:
    with pytest.raises(CelError, match=re.escape(said)):
        compiled(expression, ("self",)).evaluate({"self": None})


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("self.transformMap(k, v, v)", "transformMap"),
        ("self.transformList(i, v, v)", "transformList"),
        ("self.all(k, v, v > 0)", "all"),
        ("self.exists( i , v , true)", "exists"),
    ],
)
def test_comprehensions_of_two_variables_are_refused_by_name(text: str, name: str) -> None:
    with pytest.raises(CelError, match=f"no comprehensions of two variables, such as this {name}:"):
        compiled(text, ("self",))
    assert compiled("self.all(k, self[k] > 0)", ("self",)).evaluate({"self": {"a": 1}}) is True
