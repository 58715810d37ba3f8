"""The kernelspec: what the wheel brings and what `python -m cellheap install` writes, as Jupyter sees it."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import start_new_kernel

LOGOS = {"logo-32x32.png": 32, "logo-64x64.png": 64}


def install(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HOME": str(home), "JUPYTER_DATA_DIR": str(home / "data")}
    return subprocess.run(
        [sys.executable, "-m", "cellheap", "install", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def spec_in(kernels: Path, name: str) -> KernelSpec:
    manager = KernelSpecManager()
    manager.kernel_dirs = [str(kernels)]
    return manager.get_kernel_spec(name)


def one_line(text: str) -> str:
    (line,) = text.splitlines()
    return line


def test_jupyter_lists_the_kernelspec_that_the_wheel_installed() -> None:
    # `jupyter` takes its commands from the PATH, and another environment's may be first there.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "jupyter", "kernelspec", "list", "--json"]
    listed = subprocess.check_output(command, text=True, env={**os.environ, "PATH": path})
    kernel = json.loads(listed)["kernelspecs"]["cellheap"]
    assert Path(kernel["resource_dir"]) == Path(sys.prefix, "share/jupyter/kernels/cellheap")
    assert kernel["spec"]["display_name"] == "Python 3 (cellheap)"
    assert kernel["spec"]["language"] == "python"


def test_the_logos_have_the_sizes_that_front_ends_ask_for() -> None:
    folder = Path(KernelSpecManager().get_kernel_spec("cellheap").resource_dir)
    for logo, size in LOGOS.items():
        assert struct.unpack(">4s2I", (folder / logo).read_bytes()[12:24]) == (b"IHDR", size, size)
    assert (folder / "logo-svg.svg").read_text().startswith("<svg ")


def test_install_names_this_interpreter_by_its_full_path(tmp_path: Path) -> None:
    result = install("--prefix", str(tmp_path), home=tmp_path)
    kernels = tmp_path / "share/jupyter/kernels"
    assert one_line(result.stdout) == f"Installed the kernel 'cellheap' in {kernels / 'cellheap'}"
    spec = spec_in(kernels, "cellheap")
    assert spec.argv == [sys.executable, "-m", "cellheap", "-f", "{connection_file}"]
    assert spec.display_name == "Python 3 (cellheap)"
    assert {path.name for path in Path(spec.resource_dir).iterdir()} == {
        "kernel.json",
        "logo-svg.svg",
        *LOGOS,
    }


def test_install_for_the_user_with_a_name_of_its_own(tmp_path: Path) -> None:
    assert install("--user", "--name", "course-2026", home=tmp_path).returncode == 0
    assert spec_in(tmp_path / "data/kernels", "course-2026").display_name == "Python 3 (course-2026)"


def test_an_installed_kernelspec_starts_a_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert install("--prefix", str(tmp_path), "--name", "elsewhere", home=tmp_path).returncode == 0
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share/jupyter"))
    manager, client = start_new_kernel(kernel_name="elsewhere")
    try:
        reply = client.execute("", user_expressions={"sum": "20 + 22"}, reply=True, timeout=60)
        assert reply["content"]["user_expressions"]["sum"]["data"] == {"text/plain": "42"}
    finally:
        client.stop_channels()
        manager.shutdown_kernel()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--name", "my kernel"], "'my kernel' is no name for a kernel"),
        (["--prefix", "/dev/null"], "cannot write /dev/null"),
    ],
)
def test_what_keeps_the_kernelspec_out_is_said_in_one_line(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    result = install(*arguments, home=tmp_path)
    assert result.returncode == 1
    assert one_line(result.stderr).startswith(f"cellheap install: {message}")


def test_two_places_at_once_are_refused(tmp_path: Path) -> None:
    result = install("--user", "--sys-prefix", home=tmp_path)
    assert result.returncode == 2
    assert "not allowed with argument --user" in result.stderr.splitlines()[-1]


def test_help_tells_every_option(tmp_path: Path) -> None:
    shown = install("--help", home=tmp_path).stdout
    assert all(option in shown for option in ["--user", "--prefix DIR", "--sys-prefix", "--name N"])
