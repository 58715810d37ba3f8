"""Event loops within a cell. nest_asyncio replaces parts of asyncio for good, so it has a kernel of its own."""

from tests.ecosystem.conftest import ok
from tests.notebook.front import Front


def test_an_event_loop_within_a_cell(front: Front) -> None:
    ok(front.run("import asyncio, nest_asyncio; nest_asyncio.apply()"))
    code = "async def f():\n    await asyncio.sleep(0.01); return 5\nasyncio.run(f())"
    assert front.run(code).result == "5"
    assert front.run("await f()").result == "5"
