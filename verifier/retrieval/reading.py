"""Passages out of an owner's files: text, Markdown, JSON lines, and PDF where `pypdf` is installed."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from verifier.retrieval.errors import UnreadableCorpusError

# Characters of a passage: a few sentences, so that one passage is about one thing.
LONGEST_PASSAGE = 1_000
_PARAGRAPH = re.compile(r"\n\s*\n")


def read_passages(folder: Path) -> list[str]:
    """The passages of all files under a folder, in the order of their paths: the same files give the same passages.

    Paragraphs are joined up to LONGEST_PASSAGE characters, and cut between words where they are longer. A line of a
    `.jsonl` file is an object with a member `text`, and one passage or more. Hidden files, links and other kinds of
    files are left out. Raises UnreadableCorpusError.
    """
    if not folder.is_dir():
        raise UnreadableCorpusError(f"{folder} is not a folder; name one with .txt, .md, .jsonl or .pdf files.")
    passages = [passage for path in _files(folder) for text in _texts(path) for passage in _passages(text)]
    if not passages:
        raise UnreadableCorpusError(f"{folder} holds no text; put .txt, .md, .jsonl or .pdf files into it.")
    return passages


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).parts):
        inside = path.relative_to(folder).parts
        if path.is_file() and not path.is_symlink() and not any(part.startswith(".") for part in inside):
            yield path


def _texts(path: Path) -> Iterable[str]:
    try:
        match path.suffix.lower():
            case ".txt" | ".md":
                return [path.read_text(encoding="utf-8")]
            case ".jsonl":
                lines = path.read_text(encoding="utf-8").splitlines()
                return [_text_of(json.loads(line)) for line in lines if line.strip()]
            case ".pdf":
                return _pages(path)
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableCorpusError(f"{path} cannot be read ({error}); correct it, or take it out.") from error
    return []


def _text_of(record: object) -> str:
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise ValueError('each line has to be an object with a string "text"')
    text: str = record["text"]
    return text


def _pages(path: Path) -> list[str]:
    try:
        from pypdf import PdfReader  # noqa: PLC0415 - an extra
        from pypdf.errors import PyPdfError  # noqa: PLC0415
    except ImportError:
        raise UnreadableCorpusError(f"{path} is a PDF; install `merit[pdf]` to read it, or take it out.") from None
    try:
        return [page.extract_text() for page in PdfReader(path).pages]
    except PyPdfError as error:
        raise ValueError(str(error)) from error


def _passages(text: str) -> Iterator[str]:
    passage = ""
    for piece in _pieces(text):
        if passage and len(passage) + 1 + len(piece) > LONGEST_PASSAGE:
            yield passage
            passage = ""
        passage = f"{passage} {piece}" if passage else piece
    if passage:
        yield passage


def _pieces(text: str) -> Iterator[str]:
    """Paragraphs with single spaces, cut where they are too long."""
    for paragraph in _PARAGRAPH.split(text):
        words = " ".join(paragraph.split())
        while len(words) > LONGEST_PASSAGE:
            end = words.rfind(" ", 1, LONGEST_PASSAGE + 1)
            end = end if end > 0 else LONGEST_PASSAGE
            yield words[:end]
            words = words[end:].lstrip()
        if words:
            yield words
