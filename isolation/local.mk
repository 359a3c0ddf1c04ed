libbulkhead_a_SOURCES +=
# Only in the executable, never in unit tests: what replaces libc functions for libraries.
bulkhead_SOURCES +=
