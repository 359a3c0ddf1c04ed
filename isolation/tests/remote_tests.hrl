%% remote_tests.hrl - what the tests of workers share.
-define(NO_LIMIT, #{max => 255, within => 1}). % no circuit breaker
%% How long anything may take before it counts as hanging, in ms. A busy machine is slow; nothing waits for as long.
-define(PATIENCE, 60000).
