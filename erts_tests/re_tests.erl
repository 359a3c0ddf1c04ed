-module(re_tests).
-compile([export_all, nowarn_export_all]).
-import(t, [id/1, outcome/1]).
-define(O(E), outcome(fun() -> E end)).

%% A compiled pattern's binary is each machine's own affair.
c(P) -> c(P, []).
c(P, O) -> strip(re:compile(P, O)).
strip({ok, {re_pattern, A, B, C, _}}) -> {ok, A, B, C};
strip(X) -> X.
re(P) -> re(P, []).
re(P, O) -> {ok, RE} = re:compile(P, O), RE.

%% How it fails, without where: OTP passes on the options a helper rewrote.
f(F) -> case outcome(F) of {error, R, _} -> {error, R}; {ok, X} -> X end.

cases() ->
    [{wrong_twice, fun() ->
        [t:outcome(fun() -> re:run("a", "a", t:id(O)) end) || O <- [[{capture, a}, a], [{capture, a}, anchored],
                [{capture, a} | b], [{capture, a}, {capture, none}], [{capture, none}, {capture, a}], [{capture, a}]]]
        end},
     {global_capture_bad, fun() -> [{O, case t:outcome(fun() -> re:run(S, P, O) end) of {error, R, [{M, F, _, I} | _]} -> {R, M, F, I}; Good -> Good end} || S <- [<<>>, "abc", a], P <- [<<>>, "a", "("],
         O <- [[global, {capture, a}], [{capture, a}, global], [{capture, a}], [global, {capture, all, foo}], [global, {capture, [-1]}], [global, foo, {capture, a}], [global, {capture, a}, foo], [{capture, a}, unicode], [unicode, {capture, [a], b}]]] end},
     {capture_groups_bad, fun() -> [case t:outcome(fun() -> re:run("", "a", [{capture, C}]) end) of {ok, R} -> R; _ -> bad end || C <- [[-1], [0, -1], [1], [1000000], [1 bsl 31], [1 bsl 40], [1 bsl 70], [-(1 bsl 70)], ["a", -1], [a], [1.5], [{}], [[a]]]] end},
     {compile, fun() ->
         [c(P) || P <- ["a(b)c", "(?<n>a)(?<m>b)", "(*CRLF)a", "(*UTF8)a", "\\j", "", "a{2}", "(?i)x",
                 [$a, <<"b">>, ["c"]]]] end},
     {compile_errors, fun() ->
         [c(P) || P <- ["a(b", "a)", "[a", "a**", "*a", "\\", "(?<a>x)|(?<a>y)", "a{2,1}", "[[:foo:]]", "(?z)", "\\1",
                 "(?<=a+)b"]] end},
     {compile_options, fun() ->
         [c("(a)b", [O]) || O <- [unicode, anchored, caseless, dollar_endonly, dotall, extended, firstline, multiline,
         no_auto_capture, dupnames, ungreedy, {newline, crlf}, {newline, any}, {newline, cr}, bsr_anycrlf,
             bsr_unicode, no_start_optimize, ucp, never_utf]] end},
     {compile_bad_options, fun() ->
         [?O(c("a", id(O))) || O <- [[foo], [global], [{offset, 1}], foo, [{newline, foo}], [notbol], [caseless | x]]]
         end},
     {compile_badarg, fun() -> [?O(c(id(P))) || P <- [a, [a], [400], 1, <<1:3>>, "ab" ++ c]] end},
     {compile_unicode, fun() ->
         [c(P, [unicode]) || P <- [[400], <<195, 169>>, <<255>>, [$(, 8364, $)]]]
         ++ [c("a", [unicode, never_utf])] end},
     {simple, fun() ->
         [re:run(S, P) || {S, P} <- [{"abc", "b"}, {"abc", "x"}, {<<>>, <<>>}, {["a", <<"bc">>], ["b"]},
                 {"a\nb", "^b"}, {"foo123", "\\d+$"}]] end},
     {groups, fun() -> [re:run("abc", P) || P <- ["(b)(x)?(y)?", "(b)(x)?(c)", "(x)?b", "(?:a)(b(c))"]] end},
     {capture, fun() ->
         [f(fun() -> re:run("abc", "(b)(x)?(c)", [{capture, W, T}]) end) || W <- [all, all_but_first, first, none, [],
                 [1, 3], [0, 7]], T <- [index, list, binary]] end},
     {capture_names, fun() ->
         [re:run("abc", "(?<x>b)(?<a>c)", [{capture, W, list}])
             || W <- [all_names, [a, "x", 0, 1, 5, foo, <<"x">>], [x]]] end},
     {capture_no_names, fun() ->
         [re:run("abc", "(b)", [{capture, all_names, list}]), re:run("abc", "(b)", [{capture, all_names}])] end},
     {capture_bad, fun() ->
         [?O(re:run("abc", "(?<x>b)", [id(C)])) || C <- [{capture, [x | foo]}, {capture, foo}, {capture, all, foo},
                 {capture, [{}]}, {capture, [1.0]}, {capture, [-1]}]] end},
     {capture_twice, fun() ->
         [re:run("abc", "b", [{capture, all, index}, {capture, none}]),
             re:run("abc", "b", [{capture, none}, {capture, all}])] end},
     {dupnames, fun() -> [re:run("c", "(?<n>a)|(?<n>c)", [dupnames, {capture, W, list}]) || W <- [[n], all_names]] end},
     {global, fun() ->
         [re:run(S, P, [global | O]) || {S, P, O} <- [{"abcabc", "b", []}, {"abcabc", "b", [{capture, all, list}]},
                 {"abcabc", "x", []}, {"abc", "", []},
         {"aXbXc", "x", [caseless]}, {"a1b22", "(\\d)(\\d)?", [{capture, all_but_first, binary}]}]] end},
     {global_unicode, fun() ->
         re:run([$a, 233, $b, $c, 8364], [$[, 233, $-, 8364, $], $*], [global, unicode, {capture, all, list}]) end},
     {offset, fun() -> [re:run("abcabc", "c", [{offset, N}]) || N <- [0, 2, 3, 5, 6]] end},
     {bad_options, fun() ->
         [?O(re:run("abc", "c", id(O))) || O <- [foo, [foo], [{offset, -1}], [{offset, a}], [{offset, 1 bsl 70}],
                 [{match_limit, a}], [{match_limit, -1}], [{match_limit, 1 bsl 40}], [{newline, x}]]] end},
     {bad_args, fun() ->
         [?O(re:run(id(S), id(P))) || {S, P} <- [{a, "b"}, {"b", a}, {"abc", "("}, {[400], "b"}, {<<1:4>>, "b"},
                 {"b", <<1:4>>}, {"abc", {re_pattern, 0, 0, 0, <<"x">>}}, {"abc", {re_pattern, 0, 0, 0}},
                 {"abc", {foo, 0, 0, 0, <<>>}}]] end},
     {report_errors, fun() ->
         [re:run("abc", "(", [report_errors]), re:run("aaaaaaa", "(a|aa)+$", [{match_limit, 5}, report_errors]),
         re:run("aaaaaaa", "(a|aa)+$", [{match_limit, 5}]),
             re:run("aaaaaaa", "(a|aa)+$", [{match_limit_recursion, 5}, report_errors])] end},
     {unicode, fun() ->
         [f(fun() -> re:run(S, P, [unicode | O]) end) || {S, P, O} <- [{[400], "b", []}, {[400, 98], "b", []},
                 {[400, 98], "(.)b", [{capture, all, list}]},
         {[400, 98], "(.)b", [{capture, all, binary}]},
             {<<198, 144, 98>>, <<"(.)b">>, [{capture, all, list}]}, {<<255, 98>>, "b", []}]] end},
     {compiled, fun() ->
         RE = re("(b)"), [f(fun() -> re:run("abc", RE, O) end) || O <- [[], [caseless], [global], [unicode],
                 [anchored], [{capture, none}]]] end},
     {compiled_unicode, fun() ->
         RE = re("(.)b", [unicode]), [re:run([400, 98], RE, [{capture, all, list}]), re:run([400, 98], RE),
             re:run(<<198, 144, 98>>, RE)] end},
     {newlines, fun() ->
         [re:run("a\nb", "^b", [notbol]), re:run("a\nb", "^b", [multiline]), re:run("ab", "b$", [noteol]),
             re:run("a\rb", "^b", [multiline, {newline, cr}]), re:run("a\rb", ".b", [{newline, anycrlf}])] end},
     {notempty, fun() -> [re:run("abc", "x*", [notempty]), re:run("xabc", "x*", [notempty_atstart])] end},
     {inspect, fun() ->
         [f(fun() -> re:inspect(id(RE), id(W)) end)
             || {RE, W} <- [{re("(b)"), namelist}, {re("(?<n>a)(?<b>c)"), namelist},
                 {re("(?<n>a)|(?<n>c)|(?<a>x)", [dupnames]), namelist}, {re("b"), foo}, {foo, namelist}]] end},
     {long_subjects, fun() ->
         [re:run(lists:duplicate(N, $a) ++ "c", "(a|b)*c", [{capture, first}]) || N <- [10, 1000, 30000]] end},
     {exponential, fun() ->
         S = lists:duplicate(40, $a) ++ "!", [re:run(S, "(a+)+$", []), re:run(S, "(a+)+$", [report_errors])] end},
     {split, fun() ->
         [re:split("a,b;c", "[,;]"), re:split("abc", "", [{return, list}, trim]),
             re:split("a,b;c", "([,;])", [{return, list}, {parts, 2}])] end},
     {replace, fun() ->
         [re:replace("abcd", "c", "[&]"), re:replace("abcabc", "(b)(c)", "\\2\\1", [global, {return, list}]),
             re:replace([400, 97], "a", "b", [unicode, {return, list}])] end},
     {cached, fun() ->
         [re:run("x" ++ integer_to_list(I), integer_to_list(I) ++ "$", [{capture, first}]) || I <- lists:seq(1, 200)]
         end}].
