%% The smallest program: bulkhead run examples/hello.erl Joe
-module(hello).
-export([main/1]).

main([]) -> main(["world"]);
main(Names) -> [io:format("Hello, ~ts!~n", [Name]) || Name <- Names], ok.
