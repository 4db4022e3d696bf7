"""The connectors that ship with eventspan, one folder per system."""
