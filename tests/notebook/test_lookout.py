"""What the lookout shows while a cell runs: its chart, and the warning that memory is short; whatever holds Python's lock."""

from __future__ import annotations

import re

import pytest

from tests.notebook.front import Front, Message, Ran
from tests.notebook.shells import kernel_of

#: What only a report has.
JSON = "application/vnd.cellheap.v1+json"
#: Holds Python's lock in C code for longer than it takes until a chart is drawn, which is two seconds.
HOLD = "import ctypes\nctypes.PyDLL(None).usleep(2_500_000)"
#: Holds it for several looks, and for longer than two charts are apart.
BRIEF = "import ctypes\nctypes.PyDLL(None).usleep(1_200_000)"
#: A limit on address space that leaves so much free above what is used now.
TIGHTEN = """import resource
def tighten(room):
    pages = int(open('/proc/self/statm').read().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + room, resource.RLIM_INFINITY))
"""


def charts(ran: Ran) -> list[Message]:
    """What was shown as one display: each message of it, in order."""
    kinds = ("display_data", "update_display_data")
    messages = [message for message in ran.published if message["msg_type"] in kinds]
    return [message for message in messages if "display_id" in message["content"].get("transient", {})]


def warnings(ran: Ran) -> list[str]:
    texts = [str(content["data"].get("text/plain", "")) for content in ran.of("display_data")]
    return [text for text in texts if text.startswith("Memory is nearly used up")]


@pytest.mark.parametrize(
    "body",
    [HOLD, "sum(range(10**8))", "import re\nre.match(r'(a*)*b', 'a' * 26)", "import time\ntime.sleep(2.5)"],
    ids=["native", "sum", "regex", "sleep"],
)
def test_a_chart_is_drawn_while_the_cell_runs_and_the_report_takes_its_place(
    shared: Front, body: str
) -> None:
    ran = shared.run(f"%%memtrace\nbig = bytearray(20_000_000)\n{body}")
    assert ran.status == "ok"
    shared.run("del big")
    first, *later = charts(ran)
    assert first["msg_type"] == "display_data"
    assert later
    assert {message["msg_type"] for message in later} == {"update_display_data"}
    assert len({message["content"]["transient"]["display_id"] for message in (first, *later)}) == 1
    *live, final = [first, *later]
    for message in live:
        data = message["content"]["data"]
        assert re.match(
            r"In\[\d+\] has run for [\d.]+ s: 19\.1 MiB live above its start", data["text/plain"]
        ), data
        assert "line 2: 19.1 MiB" in data["text/plain"]
        assert 'src="data:image/svg+xml;base64,' in data["text/html"]
        assert len(data["text/html"]) < 50_000
    assert JSON in final["content"]["data"]
    assert ran.kinds[-1] == "idle"


def test_a_short_cell_and_one_without_a_chart_are_shown_once(shared: Front) -> None:
    assert charts(shared.run("%%memtrace\nx = 1")) == []
    assert charts(shared.run(f"%%memtrace --no-chart\n{HOLD}")) == []
    assert charts(shared.run(HOLD)) == []


def test_after_on_every_long_cell_is_charted_and_off_ends_it(fresh: Front) -> None:
    fresh.run("%memtrace on")
    *_, final = charts(fresh.run(HOLD))
    assert re.match(r"In\[\d+\] .*net ", final["content"]["data"]["text/plain"])
    fresh.run("%memtrace off")
    assert charts(fresh.run(HOLD)) == []


def test_a_cell_that_clears_its_output_gets_its_report_all_the_same(shared: Front) -> None:
    body = f"{HOLD}\nfrom IPython.display import clear_output\nclear_output()\n{BRIEF}"
    ran = shared.run(f"%%memtrace\n{body}")
    kinds = [message["msg_type"] for message in ran.published]
    after = kinds[kinds.index("clear_output") :]
    assert "update_display_data" not in after
    (report,) = (content for content in ran.of("display_data") if JSON in content["data"])
    assert "display_id" not in report["transient"], "what it was drawn as is gone"
    assert charts(ran), "and before it was cleared it was drawn"


def test_a_cell_that_fails_keeps_its_chart_as_a_report(shared: Front) -> None:
    ran = shared.run(f"%%memtrace\n{HOLD}\n1 / 0")
    assert ran.status == "error"
    assert "failed" in charts(ran)[-1]["content"]["data"]["text/plain"]


def test_short_memory_is_said_once_while_c_code_holds_the_lock(fresh: Front) -> None:
    fresh.run(TIGHTEN)
    fresh.run("older = bytearray(30_000_000)")
    cell = f"tighten(700_000_000)\nbig = bytearray(650_000_000)\n{BRIEF}"
    ran = fresh.run(cell)
    (said,) = warnings(ran)
    lines = said.splitlines()
    assert re.search(
        r"\(\d\d%\), the limit on address space \(ulimit -v\), while In\[3\] runs \(line [2-4]\)", lines[0]
    ), said
    assert "620 MiB  In[3], line 2" in said
    assert "28.6 MiB  In[2], line 1" in said
    assert len([line for line in lines if line.startswith("  ")]) <= 3
    again = fresh.run(BRIEF)
    assert warnings(again) == [], "it is as full as it was"


def test_it_is_said_again_after_memory_was_low(fresh: Front) -> None:
    fresh.run(TIGHTEN)
    for _ in range(2):
        fresh.run("tighten(700_000_000)")
        assert len(warnings(fresh.run(f"big = bytearray(670_000_000)\n{BRIEF}"))) == 1
        fresh.run("resource.setrlimit(resource.RLIMIT_AS, (1 << 46, resource.RLIM_INFINITY))")
        assert warnings(fresh.run(f"del big\n{BRIEF}")) == []


def test_a_limit_is_warned_of_once_before_it_stops_the_cell(fresh: Front) -> None:
    live = int(fresh.run("from cellheap import _core; _core.limit_state()[1]").result)
    fresh.run(f"%memtrace limit {live + (40 << 20)}")
    cell = "big = bytearray(38 << 20)\ninput('more? ')\nrows = []\nwhile True:\n    rows.append([1])"
    request = fresh.client.execute(cell, allow_stdin=True)
    fresh.asked()
    said = fresh.published(lambda message: bool(warnings(Ran({}, [message]))))
    told = said["content"]["data"]["text/plain"]
    assert re.search(r"\(9\d%\), the notebook's own limit \(%memtrace limit\), while In\[3\] runs", told), (
        told
    )
    assert "38.0 MiB  In[3], line 1" in told
    fresh.client.input("yes")
    ran = fresh.done(request)
    assert ran.reply["content"]["ename"] == "CellMemoryLimit"
    assert re.match(r"In\[3\], line 5 took live memory ", ran.reply["content"]["evalue"])
    assert warnings(ran) == [], "it was said before"
    assert fresh.run("del rows\nlen(big)").result == str(38 << 20)


def test_a_limit_is_known_at_once_and_so_is_that_it_was_lifted(fresh: Front) -> None:
    fresh.run("%memtrace limit 300 MiB")
    assert len(warnings(fresh.run(f"big = bytearray(285 << 20)\n{BRIEF}"))) == 1
    cell = f"del big\n{BRIEF}\n%memtrace limit off\nmore = bytearray(350 << 20)\n{BRIEF}"
    assert warnings(fresh.run(cell)) == []


def test_other_kernels_show_the_same_when_the_lock_is_free() -> None:
    with kernel_of("python3") as kernel:
        _, outputs = kernel.run("%%memtrace\nbig = bytearray(20_000_000)\nimport time\ntime.sleep(3)")
        kinds = [
            output["type"] for output in outputs if "display_id" in output["content"].get("transient", {})
        ]
        assert kinds[0] == "display_data"
        assert set(kinds[1:]) == {"update_display_data"}
        assert len(kinds) > 2
        kernel.run(TIGHTEN)
        _, outputs = kernel.run(
            "tighten(700_000_000)\nbig = bytearray(670_000_000)\nimport time\ntime.sleep(2)"
        )
        texts = [
            str(output["content"]["data"]["text/plain"])
            for output in outputs
            if output["type"] == "display_data"
        ]
        assert [text for text in texts if text.startswith("Memory is nearly used up")], texts


def test_nothing_is_drawn_after_the_cell_is_idle(fresh: Front) -> None:
    """Each message for a cell comes before its idle, and belongs to it."""
    request = fresh.client.execute(f"%%memtrace\n{HOLD}")
    ran = fresh.done(request)
    assert charts(ran)
    late = fresh.run(BRIEF)
    assert charts(late) == []
    assert all(message["parent_header"]["msg_id"] != request for message in late.published)
