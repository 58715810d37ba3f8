"""cellheap: a Jupyter kernel for Python that knows where every byte went."""

__all__: list[str] = []
