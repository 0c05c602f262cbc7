"""Passages out of files."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from verifier.retrieval.errors import UnreadableCorpusError
from verifier.retrieval.reading import LONGEST_PASSAGE, read_passages


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_read_passages__all_kinds__in_the_order_of_their_paths(tmp_path: Path) -> None:
    write(tmp_path, "b/notes.md", "# Wings\n\nLift grows\nwith the angle.")
    write(tmp_path, "a.txt", "Engines burn fuel.")
    write(tmp_path, "c.jsonl", '{"text": "One."}\n\n{"text": "Two.", "page": 3}\n')
    write(tmp_path, "picture.png", "not text")
    write(tmp_path, ".hidden/secret.txt", "not offered")
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    assert read_passages(tmp_path) == ["Engines burn fuel.", "# Wings Lift grows with the angle.", "One.", "Two."]


def test_read_passages__pdf__has_its_pages_text(tmp_path: Path) -> None:
    writer = PdfWriter()
    page = writer.add_blank_page(200, 200)
    font = {"/Type": "/Font", "/Subtype": "/Type1", "/BaseFont": "/Helvetica"}
    fonts = DictionaryObject(
        {NameObject("/F1"): DictionaryObject({NameObject(key): NameObject(value) for key, value in font.items()})}
    )
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    content = DecodedStreamObject()
    content.set_data(b"BT /F1 12 Tf 20 100 Td (Lift grows with speed.) Tj ET")
    page[NameObject("/Contents")] = writer._add_object(content)
    writer.write(tmp_path / "wings.pdf")
    assert read_passages(tmp_path) == ["Lift grows with speed."]


@given(st.lists(st.text(st.sampled_from("ab \n"), max_size=700), min_size=1, max_size=5))
def test_read_passages__any_text__is_cut_and_loses_nothing(
    tmp_path_factory: pytest.TempPathFactory, paragraphs: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("corpus")
    text = "\n\n".join([*paragraphs, "end " + "c" * 2_500])
    (folder / "text.jsonl").write_text(json.dumps({"text": text}))
    passages = read_passages(folder)
    assert max(len(passage) for passage in passages) <= LONGEST_PASSAGE
    assert "".join("".join(passages).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("empty.txt", "  \n", "holds no text"),
        ("bad.jsonl", "{", "bad.jsonl"),
        ("number.jsonl", '{"text": 3}', 'a string "text"'),
        ("list.jsonl", "[]", 'a string "text"'),
        ("broken.pdf", "%PDF-nothing", "broken.pdf"),
    ],
)
def test_read_passages__unreadable_file__is_named(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    write(tmp_path, name, text)
    with pytest.raises(UnreadableCorpusError, match=sentence):
        read_passages(tmp_path)


def test_read_passages__no_utf8__is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UnreadableCorpusError, match=r"latin\.txt"):
        read_passages(tmp_path)


def test_read_passages__no_folder__says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableCorpusError, match="is not a folder"):
        read_passages(tmp_path / "nowhere")
