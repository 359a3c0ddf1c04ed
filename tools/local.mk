EXTRA_DIST += tools/check-layers tools/check-worker
TESTS += tools/check-layers tools/check-worker
