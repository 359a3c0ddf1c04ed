EXTRA_DIST += tools/check-layers tools/check-worker tools/check-install
TESTS += tools/check-layers tools/check-worker tools/check-install
