"""The runtime: what runs connectors."""
