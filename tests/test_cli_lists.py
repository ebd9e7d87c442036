"""``nmb chips``, ``nmb plugins`` and ``nmb explain``."""

import json

import pytest


def test_chips(nmb):
    result = nmb("chips")
    assert result.exit_code == 0
    row = next(line for line in result.stdout.splitlines() if "tinyodin" in line)
    assert "built in" in row
    assert "65,536" in row


def test_chips_json(nmb):
    chips = {c["name"]: c for c in json.loads(nmb("chips", "--json").stdout)["chips"]}
    assert chips["odin"]["origin"] == "built in"
    assert (chips["odin"]["neurons"], chips["odin"]["synapses"]) == (256, 65_536)
    assert chips["odin"]["version"]


@pytest.mark.parametrize("chip", ["odin", "tinyodin"])
def test_the_sheet_of_a_chip_has_every_number_and_source(nmb, chip):
    from nm_backends.registry import get_backend

    spec = get_backend(chip).spec
    result = nmb("chips", chip)
    assert result.exit_code == 0
    for name in [m.name for m in spec.memories] + [r.name for r in spec.registers]:
        assert name in result.stdout
    for name in spec.quantities:
        assert name in result.stdout
    for source in spec.sources:
        assert source in result.stdout
    sheet = json.loads(nmb("chips", chip, "--json").stdout)
    assert sheet["weights"]["bits"] == spec.weights.bits
    assert set(sheet["quantities"]) == set(spec.quantities)


def test_unknown_chip(nmb):
    result = nmb("chips", "odn")
    assert result.exit_code == 2
    assert "unknown chip 'odn'" in result.stderr
    assert "did you mean odin" in result.stderr


def test_plugins(nmb):
    result = nmb("plugins", "--load")
    assert result.exit_code == 0
    assert "chip tinyodin" in result.stdout
    plugins = json.loads(nmb("plugins", "--json").stdout)["plugins"]
    assert {"odin", "tinyodin"} <= {p["name"] for p in plugins}
    assert all(p["status"] == "ok" for p in plugins)


def test_explain(nmb):
    result = nmb("explain", "nmb005")
    assert result.exit_code == 0
    assert result.stdout.startswith("NMB005 (error, core)\n")
    assert len(result.stdout.splitlines()) > 3


def test_explain_lists_the_rules_of_all(nmb):
    from nm_backends.registry import core_rules, get_backend

    rules = json.loads(nmb("explain", "--json").stdout)["rules"]
    codes = [rule["code"] for rule in rules]
    assert codes == sorted(set(codes))
    expected = {rule.code for rule in core_rules()}
    for chip in ("odin", "tinyodin"):
        expected |= {rule.code for rule in get_backend(chip).rules}
    assert expected <= set(codes)
    table = nmb("explain").stdout
    assert all(code in table for code in codes)


def test_every_rule_says_limit_reason_and_remedy(nmb):
    for rule in json.loads(nmb("explain", "--json").stdout)["rules"]:
        title, blank, *rest = rule["explanation"].splitlines()
        assert title == rule["title"]
        assert blank == ""
        assert rest, rule["code"]


def test_explain_unknown(nmb):
    result = nmb("explain", "ODIN999")
    assert result.exit_code == 2
    assert "unknown rule 'ODIN999'" in result.stderr
