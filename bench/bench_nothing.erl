%% The shortest program, to price the start of the VM.
-module(bench_nothing).
-export([main/1, start/0]).

main(_) -> ok.
start() -> halt().
