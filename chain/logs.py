"""Structured logs: one JSON object a line, on standard error. Keys and signatures never reach them."""

import logging
import sys
from typing import TextIO

import structlog


def configure_logs(level: str, stream: TextIO | None = None) -> None:
    """Called once by the program, never by the library. `stream`: standard error unless another is given."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping().get(level.upper(), 20)),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
    )
