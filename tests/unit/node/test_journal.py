"""The journal: what was promised is on disk, stays as it was, and belongs to one running node."""

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.node.journal import (
    CommittedTrace,
    Draw,
    Findings,
    Journal,
    JournaledCommitment,
    JournalError,
    JournalOwner,
    SecondCommitmentError,
    import_journal,
    read_journal,
)

OWNER = JournalOwner(31337, to_checksum_address("0x" + "c0" * 20), to_checksum_address("0x" + "aa" * 20))
DRAW = Draw(b"\x01" * 32, 0, b"\x02" * 32)
FINDINGS = Findings((5, 2**256 - 1), (1, 2), bytes(32), (CommittedTrace(b"\x03" * 32, 7), CommittedTrace(bytes(32), 0)))

words = st.integers(0, 2**256 - 1)
draws = st.builds(Draw, st.binary(min_size=32, max_size=32), st.integers(0, 4), st.binary(min_size=32, max_size=32))
all_findings = st.builds(
    Findings,
    st.lists(words, max_size=64).map(tuple),
    st.lists(st.integers(1, 3), max_size=16).map(tuple),
    st.binary(min_size=32, max_size=32),
    st.lists(st.builds(CommittedTrace, st.binary(min_size=32, max_size=32), st.integers(0, 2**20)), max_size=3).map(
        tuple
    ),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_keep_commitment__reopened__same_findings_and_salt(path: Path) -> None:
    journal = Journal.open(path, OWNER)
    kept = journal.keep_commitment(DRAW, FINDINGS)
    journal.close()
    journal = Journal.open(path, OWNER)
    assert journal.commitment(DRAW) == kept
    assert kept.findings == FINDINGS
    journal.close()


def test_keep_commitment__another_connection_looks__it_is_on_disk_before_the_call_returns(path: Path) -> None:
    journal = Journal.open(path, OWNER)
    kept = journal.keep_commitment(DRAW, FINDINGS)
    copy = path.with_name("copy.sqlite")
    copy.write_bytes(path.read_bytes())  # what a machine finds that lost its power now
    found = sqlite3.connect(copy)
    assert found.execute("SELECT salt FROM commitment").fetchall() == [(kept.salt,)]
    found.close()
    journal.close()


def test_keep_commitment__other_findings__refused_and_the_first_stands(path: Path) -> None:
    journal = Journal.open(path, OWNER)
    kept = journal.keep_commitment(DRAW, FINDINGS)
    with pytest.raises(SecondCommitmentError, match="it stands"):
        journal.keep_commitment(DRAW, replace(FINDINGS, digests=(6, 7)))
    assert journal.commitment(DRAW) == kept
    journal.close()


def test_keep_commitment__same_findings_again__same_salt(path: Path) -> None:
    journal = Journal.open(path, OWNER)
    assert journal.keep_commitment(DRAW, FINDINGS) == journal.keep_commitment(DRAW, FINDINGS)
    journal.close()


def test_keep_commitment__other_draw__other_salt(path: Path) -> None:
    journal = Journal.open(path, OWNER)
    first = journal.keep_commitment(DRAW, FINDINGS)
    second = journal.keep_commitment(Draw(DRAW.batch_id, 1, DRAW.seed), FINDINGS)
    assert first.salt != second.salt
    journal.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(draws, all_findings), max_size=6))
def test_keep_commitment__any_sequence__first_findings_of_each_draw_stand(
    tmp_path_factory: pytest.TempPathFactory, attempts: list[tuple[Draw, Findings]]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.sqlite"
    expected: dict[Draw, JournaledCommitment] = {}
    for draw, findings in attempts:
        journal = Journal.open(path, OWNER)
        if draw in expected and expected[draw].findings != findings:
            with pytest.raises(SecondCommitmentError):
                journal.keep_commitment(draw, findings)
        else:
            expected.setdefault(draw, journal.keep_commitment(draw, findings))
        assert all(journal.commitment(draw) == kept for draw, kept in expected.items())
        journal.close()


def test_open__held_by_another_process__refused_until_it_ends(path: Path) -> None:
    Journal.open(path, OWNER).close()
    hold = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN EXCLUSIVE'); print(); input()"
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    other.stdout.readline()
    with pytest.raises(JournalError, match="Another node uses the journal"):
        Journal.open(path, OWNER)
    other.communicate("\n", timeout=60)
    Journal.open(path, OWNER).close()


def test_open__while_it_is_open__nobody_else_can_even_read(path: Path) -> None:
    journal = Journal.open(path, OWNER)
    look = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('SELECT * FROM owner')"
    other = subprocess.run(
        [sys.executable, "-c", look, str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert "database is locked" in other.stderr
    journal.close()


def test_open__journal_of_another_key__refused(path: Path) -> None:
    Journal.open(path, OWNER).close()
    other = JournalOwner(OWNER.chain_id, OWNER.court, to_checksum_address("0x" + "bb" * 20))
    with pytest.raises(JournalError, match="name another data directory"):
        Journal.open(path, other)


def test_open__not_a_journal__refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"something else" * 100)
    with pytest.raises(JournalError, match="cannot be used"):
        Journal.open(path, OWNER)
    assert path.read_bytes() == b"something else" * 100


def test_totals__transaction_recorded_twice__counted_once(path: Path) -> None:
    journal = Journal.open(path, OWNER)
    for transaction in (b"a", b"a", b"b"):
        journal.record_spending(transaction, DRAW.batch_id, "commit", 50_000, 3)
    assert journal.totals().spent == {"commit": 300_000}
    journal.close()


def test_commitment__shown__without_its_salt(path: Path) -> None:
    journal = Journal.open(path, OWNER)
    kept = journal.keep_commitment(DRAW, FINDINGS)
    assert kept.salt.hex() not in repr(kept)
    assert repr(kept.salt) not in repr(kept)
    journal.close()


def test_export__moved_to_another_machine__works_there_and_not_here(path: Path, tmp_path: Path) -> None:
    journal = Journal.open(path, OWNER)
    kept = journal.keep_commitment(DRAW, FINDINGS)
    journal.export(tmp_path / "moved")
    journal.close()
    with pytest.raises(JournalError, match="was exported"):
        Journal.open(path, OWNER)
    there = tmp_path / "there" / "journal.sqlite"
    import_journal(tmp_path / "moved", there)
    journal = Journal.open(there, OWNER)
    assert journal.commitment(DRAW) == kept
    journal.close()
    assert not (tmp_path / "moved").exists()


def test_export__again_after_the_copy_was_lost__the_same(path: Path, tmp_path: Path) -> None:
    journal = Journal.open(path, OWNER)
    kept = journal.keep_commitment(DRAW, FINDINGS)
    journal.export(tmp_path / "lost")
    journal.close()
    journal = Journal.open(path, OWNER, exported=True)
    journal.export(tmp_path / "moved")
    journal.close()
    import_journal(tmp_path / "moved", path)
    journal = Journal.open(path, OWNER)
    assert journal.commitment(DRAW) == kept
    journal.close()


def test_export__file_exists__refused_and_work_goes_on(path: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("something of mine")
    journal = Journal.open(path, OWNER)
    with pytest.raises(JournalError, match="name a file that does not"):
        journal.export(tmp_path / "taken")
    journal.close()
    Journal.open(path, OWNER).close()
    assert (tmp_path / "taken").read_text() == "something of mine"


def test_import__work_is_recorded_there__refused_and_nothing_changes(path: Path, tmp_path: Path) -> None:
    journal = Journal.open(path, OWNER)
    journal.export(tmp_path / "moved")
    journal.close()
    there = tmp_path / "there.sqlite"
    journal = Journal.open(there, OWNER)
    kept = journal.keep_commitment(DRAW, FINDINGS)
    journal.close()
    with pytest.raises(JournalError, match="a journal at"):
        import_journal(tmp_path / "moved", there)
    journal = Journal.open(there, OWNER)
    assert journal.commitment(DRAW) == kept
    journal.close()
    assert (tmp_path / "moved").exists()


def test_import__no_such_file__says_so(path: Path, tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="name the file that was exported"):
        import_journal(tmp_path / "nowhere", path)
    assert not path.exists()


def test_import__copy_of_a_journal_at_work__refused_and_left_alone(path: Path, tmp_path: Path) -> None:
    Journal.open(path, OWNER).close()
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())
    with pytest.raises(JournalError, match="was not written by `merit verifier export`"):
        import_journal(copy, tmp_path / "there.sqlite")
    assert copy.exists()
    assert not (tmp_path / "there.sqlite").exists()


def test_import__not_a_journal__refused_and_left_alone(path: Path, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("something of mine")
    with pytest.raises(JournalError, match="was not written by `merit verifier export`"):
        import_journal(tmp_path / "letter", path)
    assert (tmp_path / "letter").exists()
    assert not path.exists()


def test_open__exported_file_without_an_import__refused(path: Path, tmp_path: Path) -> None:
    journal = Journal.open(path, OWNER)
    journal.export(tmp_path / "moved")
    journal.close()
    with pytest.raises(JournalError, match="merit verifier import"):
        Journal.open(tmp_path / "moved", OWNER)


def test_read_journal__closed__owner_and_totals(path: Path) -> None:
    journal = Journal.open(path, OWNER)
    journal.record_result(b"\x01", 10**19, 5)
    journal.record_spending(b"\x02", b"\x01", "commit", 21_000, 10**10)
    with pytest.raises(JournalError, match="Another node uses"):
        read_journal(path)
    totals = journal.totals()
    journal.close()
    assert read_journal(path) == (OWNER, totals)
    assert (totals.earned, totals.spent) == (10**19, {"commit": 21_000 * 10**10})


@pytest.mark.parametrize("content", [None, b"", b"not a journal"])
def test_read_journal__none_there__says_so(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(JournalError, match=r"no journal at|is not a journal"):
        read_journal(path)


def test_totals__audits_over__summed_beyond_64_bits(path: Path) -> None:
    journal = Journal.open(path, OWNER)
    for number in range(3):
        journal.record_result(bytes([number]), 10**19, 10**18)
        journal.record_result(bytes([number]), 10**19, 10**18)
    totals = journal.totals()
    assert (totals.audits, totals.earned, totals.lost) == (3, 3 * 10**19, 3 * 10**18)
    journal.close()
