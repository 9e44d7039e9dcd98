"""Results as files: found again where they are whole and of this paper, and else not."""

import dataclasses
import json
import math

from hebblab.experiments.papers import costs


def test_a_finished_cell_is_never_measured_again(fake, tmp_path):
    fake.run(cells=["ours"], seeds=1, folder=tmp_path)
    path = tmp_path / "fake-2020" / "ours-l1-1.json"
    before = path.stat().st_mtime_ns
    measured = []
    counted = dataclasses.replace(
        fake, measure=lambda *given: measured.append(given[:3]) or fake.measure(*given)
    )
    counted.run(cells=["ours"], seeds=2, folder=tmp_path)
    assert measured == [("ours", ("L1", "L2"), 2)]
    assert path.stat().st_mtime_ns == before
    assert str(
        fake.cost(cells=["ours"], seeds=2, folder=tmp_path, rate=costs.REFERENCE)
    ).startswith("nothing")


def test_what_is_no_whole_result_of_these_settings_is_measured_again(fake, tmp_path):
    fake.run(cells=["ours"], layers=["L1"], seeds=1, folder=tmp_path)
    path = tmp_path / "fake-2020" / "ours-l1-1.json"
    whole = json.loads(path.read_text())
    changed = (
        {"settings": "others"},
        {"made": {}},
        {"made": {**whole["made"], "hebblab": "0.0.1"}},
        {"numbers": {}},
        {"numbers": {"accuracy, %": {"value": "x"}}},
        {"numbers": {"accuracy, %": {"value": math.nan}}},
        {"numbers": {"accuracy, %": {"low": 1.0}}},
        {"numbers": {"accuracy, %": {"value": 150.0, "low": 80.0, "high": 90.0, "n": 1000.0}}},
        {"data": {**whole["data"], "fingerprint": 64 * "0"}},
        {"cpu_seconds": None},
        {"about": None},
    )
    damaged = [json.dumps({**whole, **change}) for change in changed]
    for content in ("", "{", "[]", "{}", *damaged):
        path.write_text(content)
        fake.run(cells=["ours"], layers=["L1"], seeds=1, folder=tmp_path)
        assert json.loads(path.read_text())["numbers"] == whole["numbers"], content
    other = dataclasses.replace(fake, settings=("anything", 2))
    assert other.digest != fake.digest
