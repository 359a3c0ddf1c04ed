%% A process's own error handler: process_flag(error_handler, code_own_handler).
-module(code_own_handler).
-export([undefined_function/3, undefined_lambda/3]).

undefined_function(Module, Function, Args) -> {own, Module, Function, Args}.
undefined_lambda(Module, _Fun, Args) -> {own, Module, Args}.
