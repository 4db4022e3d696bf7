"""A witness in a process of its own: it feeds one side, reads the other, and no fault ever reaches it.

It uses clients of its own and no code of the product, so that a fault of the product cannot hide in it.
"""

from harness.oracle.client import Oracle
from harness.oracle.ends import AmqpEnd, FileEnd, KafkaEnd
from harness.oracle.report import Report, Status

__all__ = ["AmqpEnd", "FileEnd", "KafkaEnd", "Oracle", "Report", "Status"]
