from __future__ import annotations

from fractions import Fraction

import pytest

from kprov.kube.api import errors, quantity, selectors
from kprov.kube.api.flags import FlagError, FlagSet, parse_duration
from kprov.kube.api.kinds import DEPLOYMENTS, NODES, PODS


@pytest.mark.parametrize(
    ("text", "exact", "canonical"),
    [
        ("0", 0, "0"),
        ("1000m", 1, "1"),
        ("100m", Fraction(1, 10), "100m"),
        ("0.5", Fraction(1, 2), "500m"),
        (".5", Fraction(1, 2), "500m"),
        ("1.", 1, "1"),
        ("1Ki", 1024, "1Ki"),
        ("1024Mi", 2**30, "1Gi"),
        ("1.5Gi", 3 * 2**29, "1536Mi"),
        ("1e3", 1000, "1e3"),
        ("12E", 12 * 10**18, "12E"),
        ("-1", -1, "-1"),
        ("1n", Fraction(1, 10**9), "1n"),
        ("0.1n", Fraction(1, 10**9), "1n"),
        ("1000Ki", 1000 * 1024, "1000Ki"),
        ("5", 5, "5"),
    ],
)
def test_quantities(text: str, exact: Fraction, canonical: str) -> None:
    assert quantity.parse(text) == exact
    assert quantity.canonical(text) == canonical
    assert quantity.parse(quantity.canonical(text)) == exact


@pytest.mark.parametrize("text", ["", "m", "1x", "1 Gi", "0x1", "1KI", "--1", "1e", "١"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(quantity.QuantityError):
        quantity.parse(text)


def test_counting_rounds_up() -> None:
    assert (quantity.milli("0.0001"), quantity.value("100m"), quantity.value("1.5Gi")) == (1, 1, 3 * 2**29)


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", {"a": "b"}, True),
        ("a=b", {"a": "b"}, True),
        ("a==b,c=d", {"a": "b"}, False),
        ("a!=b", {}, True),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("a in (b, c)", {"a": "c"}, True),
        ("a notin (b)", {}, True),
        ("a>3", {"a": "10"}, True),
        ("a<3", {"a": "x"}, False),
        ("x.io/a=b", {"x.io/a": "b"}, True),
    ],
)
def test_label_selectors(text: str, labels: dict[str, str], expected: bool) -> None:
    selector = selectors.parse_label_selector(text)
    assert selector.matches(labels) is expected
    assert selectors.parse_label_selector(str(selector)).matches(labels) is expected


@pytest.mark.parametrize("text", ["a b", "=b", "a in b", "a=b=c", "a>x", "a in (b", ","])
def test_what_is_no_label_selector(text: str) -> None:
    with pytest.raises(selectors.SelectorError):
        selectors.parse_label_selector(text)


def test_an_absent_selector_matches_nothing_and_an_empty_one_everything() -> None:
    assert not selectors.matches(None, {"a": "b"})
    assert selectors.matches({}, {"a": "b"})
    both = {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "c", "operator": "DoesNotExist"}]}
    assert selectors.matches(both, {"a": "b"})


def test_field_selectors() -> None:
    selector = selectors.parse_field_selector("spec.nodeName=a,status.phase!=Failed")
    assert selector.matches({"spec.nodeName": "a", "status.phase": "Running"})
    assert not selector.matches({"spec.nodeName": "a", "status.phase": "Failed"})
    assert selector.exact("spec.nodeName") == "a"
    assert selectors.parse_field_selector(r"a=b\,c").exact("a") == "b,c"
    assert str(selectors.parse_field_selector(r"a=b\,c")) == r"a=b\,c"


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("4m0s", 240), ("1h30m", 5400), ("500ms", 0.5), ("0", 0), ("-1s", -1)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.fixture
def flags() -> FlagSet:
    made = FlagSet("kube-x")
    made.boolean("leader-elect", True)
    made.string("config")
    made.duration("node-timeout", 40.0)
    made.mapping("labels")
    made.strings("names", ["a"])
    made.unimplemented("magic", reason="use --config")
    return made


def test_flags_are_read_as_upstream_reads_them(flags: FlagSet) -> None:
    line = ["--leader-elect=false", "--config", "f", "--node_timeout=1m", "--labels=a=b", "--labels=c=d", "-v", "4"]
    values = flags.parse([*line, "--names=x,y"])
    assert (values.leader_elect, values.config, values.node_timeout, values.v) == (False, "f", 60, 4)
    assert (values.labels, values.names) == ({"a": "b", "c": "d"}, ["x", "y"])
    assert values.given >= {"config", "names"} and "help" not in values.given


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--magic=1"], "--magic is a kube-x flag that kprov does not implement: use --config"),
        (["--leader-elec"], "unknown flag: --leader-elec (is it --leader-elect?)"),
        (["--node-timeout=5"], "invalid duration"),
        (["--leader-elect=maybe"], "write true or false"),
        (["--config"], "flag needs an argument: --config"),
        (["word"], "unknown command"),
        (["--leader-elect", "false"], "unknown command"),
    ],
)
def test_flags_that_are_refused(flags: FlagSet, line: list[str], message: str) -> None:
    with pytest.raises(FlagError) as raised:
        flags.parse(line)
    assert message in str(raised.value)


def test_paths() -> None:
    assert PODS.path() == "/api/v1/pods"
    assert DEPLOYMENTS.path("a", "b", "scale") == "/apis/apps/v1/namespaces/a/deployments/b/scale"
    assert NODES.path(name="n") == "/api/v1/nodes/n"
    with pytest.raises(ValueError, match="lives in a namespace"):
        PODS.path(name="x")


def test_error_messages_are_upstreams() -> None:
    assert str(errors.not_found(DEPLOYMENTS, "x")) == 'deployments.apps "x" not found'
    assert str(errors.conflict(PODS, "x")).startswith('Operation cannot be fulfilled on pods "x": the object has been')
    causes = [
        errors.Cause("spec.a", "FieldValueRequired", "Required value"),
        errors.Cause("b", "FieldValueInvalid", "no"),
    ]
    refused = errors.invalid("Deployment", "x", causes, group="apps")
    assert str(refused) == 'Deployment.apps "x" is invalid: [spec.a: Required value, b: no]'
    assert refused.status["details"]["causes"][0]["reason"] == "FieldValueRequired"
    assert str(errors.forbidden(PODS, "", "no")) == "pods is forbidden: no"
