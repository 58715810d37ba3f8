"""Put on PYTHONPATH, this runs when an interpreter starts, in regrtest's workers and what tests start as well.

With SUITE_TRACED=1 everything that such a process does is one cell and the suite's code the notebook's. Else
only what is imported is the same.
"""

import os

from cellheap import _core

if os.environ.get("SUITE_TRACED") == "1":
    _core.trace_start()
    _core.set_notebook_files([os.environ["SUITE_FILES"]])
    _core.cell_begin(1)
