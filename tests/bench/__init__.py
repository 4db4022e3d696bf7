"""Measures bridges beside what a user would write instead: ``make bench``."""
