//! The Jupyter wire: connection file, signature, frames, messages, sockets. No Python, no memory.
