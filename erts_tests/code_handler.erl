-module(code_handler).
-export(['$handle_undefined_function'/2]).

'$handle_undefined_function'(Function, Args) -> {handled, Function, Args}.
