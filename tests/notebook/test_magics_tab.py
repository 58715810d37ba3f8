"""What Tab offers on a magic's line, with Jedi and without, and over the wire."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cellheap.words import WORDS
from IPython.core.completer import provisionalcompleter

from tests.notebook.shells import Kernel, Terminal, terminal

GCCLEAR = [
    "--all",
    "--caches",
    "--cycles",
    "--dry-run",
    "--figures",
    "--force",
    "--generation",
    "--help",
    "--no-trim",
    "--out",
    "--traceback",
    "--why",
]


@pytest.fixture(params=[False, True], ids=["without Jedi", "with Jedi"])
def notebook(request: pytest.FixtureRequest) -> Iterator[Terminal]:
    with terminal({"Completer": {"use_jedi": request.param}}) as shell:
        shell.run("import sys\nalpha = 1\nalpine = 2\ndef almost(): pass\n_private = 3")
        yield shell


def offered(notebook: Terminal, code: str) -> list[str]:
    """What the line reads after each offer."""
    with provisionalcompleter():
        found = list(notebook.shell.Completer.completions(code, len(code)))
    return [code[: offer.start] + offer.text + code[offer.end :] for offer in found]


def test_an_offer_says_what_it_is(notebook: Terminal) -> None:
    for code, kind in (("%memtrace li", "argument"), ("%gcclear --", "option")):
        with provisionalcompleter():
            found = list(notebook.shell.Completer.completions(code, len(code)))
        assert {offer.type for offer in found} == {kind}


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("%memtrace ", [*WORDS]),
        ("%memtrace watch al", ["almost", "alpha", "alpine"]),
        ("%memtrace compare alpha ; alm", ["almost"]),
        ("%memtrace li", ["limit", "live"]),
        ("%memtrace limit 8", ["80%", "8G"]),
        ("%memtrace st", ["stop", "start"]),
        ("r = %memtrace l", ["last", "limit", "live"]),
        ("x = 1\n%memtrace re", ["report", "reset"]),
        ("%memtrace --h", ["--help"]),
        ("%memtrace live --m", ["--map"]),
        ("%%memtrace --", ["--help", "--no-chart", "--top", "-o"]),
        ("%%memtrace --top 3 --no", ["--no-chart"]),
        ("%gcclear al", ["alpha", "alpine"]),
        ("%gcclear alpha alp", ["alpha", "alpine"]),
        ("%gcclear --", GCCLEAR),
        ("%gcclear --out al", ["alpha", "alpine"]),
    ],
)
def test_tab_offers_what_can_follow(notebook: Terminal, code: str, lines: list[str]) -> None:
    stem = code[: len(code) - len(code.split(" ")[-1])]
    expected = [stem + line for line in lines if not (line == "-o" and code.endswith("--"))]
    assert sorted(offered(notebook, code)) == sorted(expected)


def test_tab_offers_files_to_write(
    notebook: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "one.csv").touch()
    (tmp_path / "data.csv").touch()
    (tmp_path / ".hidden").touch()
    start = "%memtrace export"
    for given, found in (
        (f"{start} ", ["report", "live", "flame", "data/", "data.csv"]),
        (f"{start} da", ["data/", "data.csv"]),
        (f"{start} 5 data/", ["data/one.csv"]),
        (f"{start} flame 5 {tmp_path}/data.", [f"{tmp_path}/data.csv"]),
        (f"{start} flame 5 da --f", ["--force"]),
    ):
        stem = given[: len(given) - len(given.split(" ")[-1])]
        assert sorted(offered(notebook, given)) == sorted(stem + one for one in found)


def test_tab_elsewhere_is_as_without_us(notebook: Terminal) -> None:
    assert "alpha" in "".join(offered(notebook, "alp"))
    assert "%memtrace" in offered(notebook, "%memt")
    assert "%%memtrace" in offered(notebook, "%%memt")
    assert "%gcclear" in offered(notebook, "%gccl")
    assert any(line.endswith("alpha") for line in offered(notebook, "%%memtrace\nalp"))
    lines = ["alp", "%timeit alp", "x = alp", "sys.pa", "%memtrac", "memtrace al", "import o", "%run al"]
    ours = [offered(notebook, line) for line in lines]
    notebook.run("%unload_ext cellheap")
    notebook.shell.register_magic_function(print, "line", "memtrace")
    notebook.shell.register_magic_function(print, "cell", "memtrace")
    assert ours == [offered(notebook, line) for line in lines]


def test_tab_works_over_the_wire(kernel: Kernel) -> None:
    kernel.run("alpha = alpine = 1")
    assert kernel.complete("%memtrace sto") == ["stop"]
    assert kernel.complete("%gcclear alp") == ["alpha", "alpine"]
    assert kernel.complete("%%memtrace --no") == ["--no-chart"]
