//! Where allocations are caught: Python allocators, frame reading. The unsafe room.
