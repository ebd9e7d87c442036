"""``nmb sweep``."""

import json

import pytest
from study_cases import STUDY, write_study

SMALL = STUDY.replace("count = 6", "count = 2").replace('["tinyodin", "odin"]', '"tinyodin"')


@pytest.fixture
def swept(nmb, tmp_path):
    path = write_study(tmp_path, SMALL)
    return path, nmb("sweep", path, "--engine", "here", "--json")


def test_it_prints_a_table_or_json_and_writes_what_is_asked(nmb, swept):
    path, done = swept
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert (found["trials"], found["states"]) == (4, {"ok": 4})
    printed = nmb("sweep", path, "--engine", "here", "--save", "out.csv", "--parallel", "out.png")
    assert printed.exit_code == 0, printed.output
    assert f"study: 4 trials (4 ok); table {found['digest']}" in printed.stdout
    assert "written: out.csv" in printed.stdout
    assert "written: out.png" in printed.stdout


def test_one_trial_is_shown_and_run_again(nmb, swept):
    path, done = swept
    row = json.loads(done.stdout)["rows"][2]
    shown = nmb("sweep", path, "--show", row["key"][:10])
    assert f"nmb sweep {path} --only 2" in shown.stdout
    assert "nmb.compile(" in shown.stdout
    again = nmb("sweep", path, "--only", "2", "--json")
    assert again.exit_code == 0, again.output
    found = json.loads(again.stdout)
    assert found["differs"] == []
    assert found["accuracy"] == row["accuracy"]
    unknown = nmb("sweep", path, "--show", "99")
    assert unknown.exit_code == 2
    assert "trials are numbered 0 to 3" in unknown.output


def test_a_table_that_was_changed_is_told(nmb, swept, tmp_path):
    import sqlite3

    path, _ = swept
    with sqlite3.connect(tmp_path / "study.sqlite") as db:
        db.execute("UPDATE trials SET sops = sops + 1")
    again = nmb("sweep", path, "--only", "1")
    assert again.exit_code == 2
    assert "came out otherwise: sops" in again.output


def test_wrong_use_is_told_before_anything_runs(nmb, tmp_path):
    path = write_study(tmp_path, SMALL.replace("[compile]", "[compiler]"))
    done = nmb("sweep", path)
    assert done.exit_code == 2
    assert "unknown 'compiler'" in done.output
    assert "did you mean compile" in done.output
