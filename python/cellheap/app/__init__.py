"""The kernel application: ipykernel's Python kernel on our wire. Nothing here is for users to import."""

# Seconds for what is queued to reach its readers when the kernel ends.
DRAIN = 2.0
