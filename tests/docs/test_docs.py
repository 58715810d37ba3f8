"""The docs say what the code says, and their links lead somewhere."""

import inspect
import re
from pathlib import Path

import cellheap
import pytest
from cellheap.words import WORDS

from scripts import reference

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")


def anchors(page: Path) -> set[str]:
    """What links can point at in a page, as GitHub makes them of titles."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_reference_is_what_the_docstrings_say() -> None:
    assert reference.PAGE.read_text(encoding="utf-8") == reference.page(), "`make docs` writes it anew"


def test_the_reference_has_every_word_and_every_name() -> None:
    page = reference.page()
    usage = page.partition("### `%%memtrace`")[0]
    assert not [word for word in WORDS if not re.search(rf"\b{word}\b", usage)]
    assert not [name for name in reference.names() if f"### `cellheap.{name}" not in page]


def test_every_public_name_says_what_it_is() -> None:
    things = {name: reference.INSTANCES.get(name) or getattr(cellheap, name) for name in reference.names()}
    assert not [name for name, thing in things.items() if not inspect.getdoc(thing)]


def test_the_environment_is_what_the_code_reads() -> None:
    files = [*(ROOT / "src").rglob("*.rs"), *(ROOT / "python").rglob("*.py")]
    found = {name for file in files for name in re.findall(r'"(CELLHEAP_[A-Z]+)"', file.read_text("utf-8"))}
    assert found == set(reference.ENVIRONMENT)


def test_what_troubleshooting_quotes_is_said_by_the_code() -> None:
    files = [*(ROOT / "src").rglob("*.rs"), *(ROOT / "python").rglob("*.py")]
    said = "".join(file.read_text(encoding="utf-8") for file in files)
    quoted = re.findall(r'\*\*"(.*?)"\*\*', (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8"))
    assert len(quoted) > 8
    assert not [words for words in quoted if " ".join(words.split()) not in said]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for file, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = page.parent / file if file else page
        assert target.exists(), file
        if anchor:
            assert anchor in anchors(target), f"{file}#{anchor}"
