"""The table of faults in the docs: every fault has its row, and rows say what was measured."""

from pathlib import Path

import pytest

from benchmarks import faults
from tests.faults.outcomes import Fault, Outcome

SUFFERED = Outcome(
    fault=Fault.DATABASE_DOWN,
    place="gunicorn, PostgreSQL",
    answers=900,
    wrong=2,
    longest=0.25,
    waited=1,
    fared=[("readable", 3.0), ("hidden", 1.5), ("readable", 2.0)],
    settled=0.42,
    refused=400,
    counted=397,
    lines=["ERROR The policy could not be confirmed (port 5 (again)\n\tno); revision 8 serves on."],
)


def test_every_fault_has_a_row_of_figures_and_one_of_the_log() -> None:
    page = faults.PAGE.read_text()
    for fault in Fault:
        assert page.count(f"| {fault} |") >= 2, fault
    assert page.index(faults.BEGIN) < page.index(faults.END)


def test_no_row_of_the_page_tells_of_a_wrong_answer_or_a_lost_refusal() -> None:
    rows = [row.split(" | ") for row in faults.PAGE.read_text().splitlines() if row.count(" | ") == 7]
    assert len(rows) > len(Fault)
    for row in rows[1:]:
        assert row[3].endswith(", none"), row
        assert row[7].strip(" |").endswith("none") or not row[7].strip(" |") or row[0] == f"| {Fault.WORKER_KILLED}", (
            row
        )


def test_row_says_what_was_measured() -> None:
    assert faults.render([SUFFERED]).splitlines()[2:] == [
        (
            "| Database down | gunicorn, PostgreSQL | trusted 3.0 s, refused 1.5 s, trusted | 900, 2 | 0.25 s"
            " | 1 | 0.4 s | 400, 3 |"
        ),
        "",
        "| fault | the log says, once in each process |",
        "|---|---|",
        "| Database down | `ERROR` The policy could not be confirmed (…); revision N serves on. |",
    ]


def test_tables_take_the_place_of_those_of_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "faults.md"
    page.write_text(f"before\n{faults.BEGIN}\n\nold\n\n{faults.END}\nafter\n")
    monkeypatch.setattr(faults, "PAGE", page)
    faults.write("new")
    assert page.read_text() == f"before\n{faults.BEGIN}\n\nnew\n\n{faults.END}\nafter\n"
