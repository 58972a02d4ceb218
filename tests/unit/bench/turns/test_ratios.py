"""Ratios of windows, medians, and the table."""

from bench.stack.processes import PARTS
from bench.turns.ratios import WindowResult, medians, ratios, table


def sample(variant, turn, cpu, connections=32, rate=100.0, p99=10.0):
    parts = {**dict.fromkeys(PARTS, 0.0), "front_end": cpu / 4, "total": cpu}
    return WindowResult(variant, turn, connections, parts, rate, p99 / 5, p99)


# The machine is slow in the second round: only ratios of the same round are near 1.5.
SAMPLES = [
    sample("this", 0, cpu=3.0, rate=100.0),
    sample("other", 0, cpu=2.0, rate=200.0),
    sample("other", 1, cpu=20.0, rate=20.0, p99=40.0),
    sample("this", 1, cpu=28.0, rate=12.0, p99=10.0),
    sample("other", 2, cpu=2.0),
    sample("this", 2, cpu=3.4),
]


def test_a_ratio_compares_windows_of_one_round():
    found = ratios(SAMPLES, "this", "other")
    assert (found["of"], found["to"]) == ("this", "other")
    (window,) = found["windows"]
    assert window["connections"] == 32
    assert window["cpu"] == {"median": 1.5, "min": 1.4, "max": 1.7}
    assert window["rate"] == {"median": 0.6, "min": 0.5, "max": 1.0}
    assert window["p99"] == {"median": 1.0, "min": 0.25, "max": 1.0}
    assert window["p50"] == window["p99"]


def test_each_number_of_connections_has_its_ratios():
    more = [sample("this", 0, cpu=1.0, connections=1), sample("other", 0, cpu=4.0, connections=1)]
    found = ratios([*SAMPLES, *more], "this", "other")["windows"]
    assert [(each["connections"], each["cpu"]["median"]) for each in found] == [
        (1, 0.25),
        (32, 1.5),
    ]


def test_medians_are_of_one_variant():
    (found,) = medians(SAMPLES, "this")
    assert found["connections"] == 32
    assert found["cpu_ms_per_request"]["total"] == 3.4
    assert found["cpu_ms_per_request"]["front_end"] == 0.85
    assert set(found["cpu_ms_per_request"]) == {*PARTS, "total"}
    assert (found["requests_per_second"], found["p50_ms"], found["p99_ms"]) == (100.0, 2.0, 10.0)


def test_the_table_has_commits_ratios_and_medians():
    figures = {
        "rounds": 3,
        "ratios": [ratios(SAMPLES, "this", "other")],
        "variants": [
            {"name": name, "commit": commit, "windows": medians(SAMPLES, name)}
            for name, commit in (("this", "abc-dirty"), ("other", "def"))
        ],
    }
    text = table(figures)
    lines = text.splitlines()
    assert "3 rounds" in lines[0]
    assert lines[1] == "this / other"
    assert lines[3].split()[:5] == ["32", "1.50", "(1.40", "to", "1.70)"]
    assert "this (abc-dirty)" in lines
    own = lines[lines.index("this (abc-dirty)") + 2].split()
    assert own[:2] == ["32", "0.850"]
    assert own[-4:] == ["3.400", "100.0", "2.0", "10.0"]
