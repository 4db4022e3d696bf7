"""Real brokers, faults and measures for the tests; nothing here is part of the product."""
