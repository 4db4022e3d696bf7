"""From a batch that was read to records that have ended: states as data, and one task per sink."""
