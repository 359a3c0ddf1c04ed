libbulkhead_a_SOURCES +=
