//! The loop: channels, queueing, busy and idle, abort, streams, interrupts. Python only through a trait.
