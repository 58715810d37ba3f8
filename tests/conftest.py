"""For all tests. Keeps out of their processes what costs seconds and tests nothing."""

import sys

# Where JupyterLab is installed jsonschema reads the grammar of web addresses as it is imported, which takes longer than a
# kernel's start. No notebook has one to be checked.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
