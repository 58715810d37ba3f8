"""How a limit is set and told: the magic, the configuration, the environment. Wrong input changes nothing."""

import os
import subprocess
import sys
from collections.abc import Callable

import pytest
from cellheap import _core, limiting

from tests.notebook.front import Front
from tests.notebook.shells import Terminal, terminal

GIB = 1 << 30


def limit() -> int | None:
    return _core.limit_state()[0]


def machine() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("2G", 2 * GIB),
        ("512 MiB", GIB // 2),
        ("1.5 GB", 1_500_000_000),
        ("4096", 4096),
        ("off", None),
        ("OFF", None),
    ],
)
def test_sizes_are_read_as_people_write_them(notebook: Terminal, text: str, most: int | None) -> None:
    notebook.run(f"%memtrace limit {text}").raise_error()
    assert limit() == most


def test_a_percentage_is_of_the_container_or_of_the_machine(notebook: Terminal) -> None:
    container = _core.container()
    assert container is not None
    assert container[0] <= machine()
    notebook.run("%memtrace limit 25%")
    assert limit() == container[0] // 4
    assert f"(25% of {container[1]}, " in notebook.printed


def test_alone_it_says_what_is_set(notebook: Terminal) -> None:
    notebook.run("%memtrace limit")
    assert notebook.printed == "No limit is set; `%memtrace limit 2G` or `%memtrace limit 80%` sets one.\n"
    notebook.run("%memtrace limit 2G")
    assert notebook.printed.startswith("The limit is 2.00 GiB; ")
    notebook.run("kept = bytearray(100_000)\n%memtrace limit 1000")
    assert "They are past it already" in notebook.printed
    notebook.run("%memtrace limit off")
    assert notebook.printed.startswith("No limit is set")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "two gigabytes",
            "a limit is a size such as '2G', a percentage such as '80%', or 'off', not 'twogigabytes'",
        ),
        ("-1", "not '-1'"),
        ("0", "'0' would leave nothing"),
        ("0%", "'0%' would leave nothing"),
        ("101%", "a percentage is at most 100%, not '101%'"),
        ("80 %%", "not '80%%'"),
        ("1e9", "not '1e9'"),
    ],
)
def test_what_is_no_limit_is_one_line_and_changes_nothing(notebook: Terminal, text: str, says: str) -> None:
    notebook.run("%memtrace limit 3G")
    notebook.run(f"%memtrace limit {text}")
    assert notebook.complaint.count("\n") == 1
    assert notebook.complaint.startswith("UsageError: ")
    assert says in notebook.complaint
    assert limit() == 3 * GIB


def test_the_configuration_sets_it() -> None:
    with terminal({"CellHeap": {"limit": "3G"}}) as shell:
        assert limit() == 3 * GIB
        shell.run("%config CellHeap.limit = '1G'")
        assert limit() == GIB
        shell.run("%memtrace limit off")
        assert limit() is None
    assert limit() is None


def test_a_wrong_setting_is_taken_back(notebook: Terminal) -> None:
    notebook.run("%memtrace limit 3G")
    notebook.run("%config CellHeap.limit = 'much'")
    assert limit() == 3 * GIB
    notebook.run("%memtrace limit")
    assert notebook.printed.startswith("The limit is 3.00 GiB")


def test_a_wrong_configuration_costs_one_line_and_the_rest_works() -> None:
    with terminal({"CellHeap": {"limit": "much"}}, load=False) as shell:
        shell.run("%load_ext cellheap")
        assert shell.printed == (
            "cellheap sets no limit: a limit is a size such as '2G', a percentage such as '80%', or 'off', not 'much'\n"
        )
        assert limit() is None
        shell.run("%memtrace limit 1G")
        assert limit() == GIB


def test_the_environment_sets_it(starting: Callable[..., Front], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLHEAP_LIMIT", "3G")
    front = starting().ready()
    assert front.run("%memtrace limit").text().startswith("The limit is 3.00 GiB")
    told = starting("--CellHeap.limit=1G").ready()
    assert told.run("%memtrace limit").text().startswith("The limit is 1.00 GiB")


def test_without_recording_there_is_no_limit() -> None:
    code = (
        "from cellheap import limiting\n"
        "try: limiting.apply('1G')\n"
        "except limiting.LimitError as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        ran.stdout
        == "a limit needs allocations to be recorded: the tracer was never started in this process\n"
    )


def test_a_limit_waits_while_nothing_is_recorded(notebook: Terminal) -> None:
    notebook.run("%memtrace limit 1M\n%memtrace stop")
    notebook.run("%memtrace limit")
    assert "Nothing is recorded now, so it is not watched" in notebook.printed
    notebook.run("kept = [[i] for i in range(100_000)]").raise_error()
    notebook.run("%memtrace start")
    result = notebook.run("more = [[i] for i in range(100_000)]")
    assert type(result.error_in_exec).__name__ == "CellMemoryLimit"


def test_unloading_lifts_it(notebook: Terminal) -> None:
    notebook.run("%memtrace limit 1G\n%unload_ext cellheap")
    assert limit() is None
    assert "showtraceback" not in vars(notebook.shell)
    notebook.run("%load_ext cellheap")


def test_percentages_with_fractions() -> None:
    container = _core.container()
    assert container is not None
    assert limiting.parse_limit("12.5%") == container[0] // 8
