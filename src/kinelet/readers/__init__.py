"""Readers: one file a format, from a path to a Recording."""

from kinelet.readers.registry import READERS, Reader, find_reader, list_readers, read, read_many

__all__ = ["READERS", "Reader", "find_reader", "list_readers", "read", "read_many"]
