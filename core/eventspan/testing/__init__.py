"""Doubles, builders and the conformance kit connectors inherit."""
