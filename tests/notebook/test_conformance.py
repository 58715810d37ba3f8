"""The Jupyter project's own test suite for kernels, run whole against the installed kernel."""

from typing import ClassVar

from jupyter_kernel_test import IopubWelcomeTests, KernelTests


class TestKernel(KernelTests):  # type: ignore[misc]
    kernel_name = "cellheap"
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('careful', file=sys.stderr)"
    completion_samples: ClassVar = [
        {"text": "enumer", "matches": {"enumerate"}},
        {"text": "isinst", "matches": {"isinstance"}},
    ]
    complete_code_samples: ClassVar = ["1", "print('hello, world')", "def double(x):\n    return 2 * x\n\n"]
    incomplete_code_samples: ClassVar = ["def double(x):", "print('''hello", "[1,"]
    invalid_code_samples: ClassVar = ["import = 7", "print)"]
    code_page_something = "enumerate?"
    code_generate_error = "raise ValueError('on purpose')"
    code_execute_result: ClassVar = [
        {"code": "6 * 7 * 11", "result": "462"},
        {"code": "[n * n for n in range(1, 4)]", "result": "[1, 4, 9]"},
        {"code": "from IPython.display import HTML; HTML('<b>bold</b>')", "mime": "text/html"},
    ]
    code_display_data: ClassVar = [
        {
            "code": "from IPython.display import HTML, display; display(HTML('<i>shown</i>'))",
            "mime": "text/html",
        },
        {"code": "from IPython.display import Math, display; display(Math('x^2'))", "mime": "text/latex"},
    ]
    code_history_pattern = "6 [*] 7 [*] 11"
    # The suite's "range" wants the session's number back; IPython calls the session that runs 0.
    supported_history_operations = ("tail", "search")
    code_inspect_sample = "enumerate"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


class TestWelcome(IopubWelcomeTests):  # type: ignore[misc]
    kernel_name = "cellheap"
    support_iopub_welcome = True


# Imported to be subclassed, not to be run for ipykernel.
del IopubWelcomeTests, KernelTests
