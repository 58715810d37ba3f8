"""The kernel application: ipykernel's Python kernel on our wire. Nothing here is for users to import."""
