EXTRA_DIST += tools/check-layers
TESTS += tools/check-layers
