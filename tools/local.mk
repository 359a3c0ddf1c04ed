EXTRA_DIST += tools/check-layers tools/check-worker tools/tap.sh tools/check-install
TESTS += tools/check-layers tools/check-worker tools/check-install
