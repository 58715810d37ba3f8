"""ipykernel's own tests, those that drive a kernel over the wire, run against this kernel. `make suites`.

The tests come from ipykernel's source on PyPI, of the version that is installed. They ask for the kernel "python3", so
a kernelspec of that name starts ours.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

# Those that start a kernel process. The others test ipykernel's classes inside the tests' own process.
MODULES = ("test_kernel", "test_message_spec", "test_subshells", "test_async", "test_debugger")
# What cannot pass, and why.
LEFT_OUT = {
    "test_kernel.py::test_parent_header_and_ident": "it asks for the parent of a kernel_info_request on control, "
    "which the wire answers without Python",
}
SETTINGS = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\ntimeout = 300\n"

# Our kernel answers before IPython is imported. Some tests count seconds from then on, and a busy machine needs them.
READY = """
from jupyter_client.blocking.client import BlockingKernelClient

answers = BlockingKernelClient.wait_for_ready


def wait_for_ready(self, timeout=None):
    answers(self, timeout)
    self.execute_interactive("", silent=True, timeout=timeout)


BlockingKernelClient.wait_for_ready = wait_for_ready
"""


def source(into: Path) -> Path:
    """The folder of ipykernel's source."""
    wanted = f"ipykernel=={version('ipykernel')}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "--no-deps", "--no-binary", "ipykernel", "-d", into, wanted], check=True)
    (archive,) = into.glob("ipykernel-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(into, filter="data")
    return into / archive.name.removesuffix(".tar.gz")


def prepare(folder: Path) -> None:
    """The tests alone, so that `import ipykernel` finds the installed one, and the kernelspec."""
    shutil.copytree(source(folder) / "tests", folder / "suite" / "tests")
    (folder / "suite" / "pytest.ini").write_text(SETTINGS)
    (folder / "suite" / "ready.py").write_text(READY)
    spec = folder / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "cellheap", "-f", "{connection_file}"]
    fields = {"argv": argv, "display_name": "Python 3", "language": "python", "metadata": {"debugger": True}}
    (spec / "kernel.json").write_text(json.dumps(fields))


def main() -> int:
    with TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder)
        for test, reason in LEFT_OUT.items():
            print(f"left out: {test}: {reason}", flush=True)
        settings = {"JUPYTER_PATH": str(folder / "jupyter"), "IPYTHONDIR": str(folder / "ipython")}
        return subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-ra", "-p", "ready"),
                *(f"--deselect=tests/{test}" for test in LEFT_OUT),
                *sys.argv[1:],
                *(f"tests/{module}.py" for module in MODULES),
            ],
            cwd=folder / "suite",
            env={**os.environ, **settings},
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
