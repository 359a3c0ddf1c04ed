%% Native functions that misbehave, each in its own way; the C side is crashes_nif.c.
-module(crashes).
-export([null_write/0, wild_jump/0, divide_by_zero/0, overflow_stack/0, abort/0, failed_assert/0,
         panic/0, endless_loop/0, double_free/0, exit_process/0, make_bomb/0, add/2]).
-nifs([null_write/0, wild_jump/0, divide_by_zero/0, overflow_stack/0, abort/0, failed_assert/0,
       panic/0, endless_loop/0, double_free/0, exit_process/0, make_bomb/0, add/2]).
-on_load(load/0).
%% A loop without end is cut off after this many milliseconds.
-isolation(#{mode => in_process, timeout => 100}).

load() ->
    erlang:load_nif(filename:join(filename:dirname(code:which(?MODULE)), "crashes_nif"), 0).

null_write() -> erlang:nif_error(not_loaded).
wild_jump() -> erlang:nif_error(not_loaded).
divide_by_zero() -> erlang:nif_error(not_loaded).
overflow_stack() -> erlang:nif_error(not_loaded).
abort() -> erlang:nif_error(not_loaded).
failed_assert() -> erlang:nif_error(not_loaded).
panic() -> erlang:nif_error(not_loaded).
endless_loop() -> erlang:nif_error(not_loaded).
double_free() -> erlang:nif_error(not_loaded).
exit_process() -> erlang:nif_error(not_loaded).
%% A resource whose destructor crashes.
make_bomb() -> erlang:nif_error(not_loaded).
%% Works: shows that the library still serves after its crashes.
add(_, _) -> erlang:nif_error(not_loaded).
