%% Random regular expressions over a small alphabet, with what they are applied to.
-module(diff_re).
-export([pattern/0, subject/0, replacement/0, options/1]).
-import(diff_rand, [int/2, pick/1, chance/1, frequency/1]).

pattern() ->
    Pattern = lists:flatten(alternatives(3)),
    case int(1, 12) of
        1 -> Pattern ++ [pick("()[]*+?{\\|")];
        N when N < 7 -> Pattern;
        _ -> unicode:characters_to_binary(Pattern)
    end.

alternatives(Depth) -> lists:join("|", [sequence(Depth) || _ <- lists:seq(1, pick([1, 1, 1, 2, 3]))]).

sequence(Depth) -> [[atom(Depth), quantifier()] || _ <- lists:seq(1, int(0, 4))].

atom(0) -> character();
atom(Depth) ->
    frequency([{8, fun character/0},
               {3, fun() ->
                   [pick(["(", "(", "(?:", "(?=", "(?!", "(?<=a|", "(?<!", "(?i:", "(?>"]),
                       alternatives(Depth - 1), ")"] end},
               {1, fun() -> ["(?<n", integer_to_list(int(1, 9)), ">", alternatives(Depth - 1), ")"] end},
               {2, fun() -> pick(["^", "$", "\\b", "\\B", "\\A", "\\z", "\\Z", "\\1", "\\2", "\\g{-1}", "\\K", "(?1)"]) end}]).

character() ->
    pick(["a", "b", "c", "a", "b", "A", ".", "\\d", "\\w", "\\s", "\\W", "[abc]", "[^a]", "[a-c]", "[[:alpha:]]", "1",
            " ", "\\n", "\\x{61}", "\\R", "é", "\\."]).

quantifier() -> pick(["", "", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,}", "*+"]).

subject() ->
    Text = [pick("aaabbbccAB1 \n.") || _ <- lists:seq(1, int(0, 14))] ++ case chance(6) of true ->
        [pick([$é, 16#3bb, 255])]; false -> [] end,
    case chance(2) of
        true -> unicode:characters_to_binary(Text);
        false -> Text
    end.

replacement() -> pick([<<"x">>, "<&>", <<"\\1-\\2">>, "\\g{1}", <<"\\&\\\\">>, "", <<"\\0">>, ["a", <<"&">>], "\\n", "é"]).

options(For) -> diff_rand:list(4, fun() -> option(For) end).

option(compile) ->
    pick([unicode, unicode, anchored, caseless, dollar_endonly, dotall, extended, firstline, multiline,
        no_auto_capture, dupnames, ungreedy,
          {newline, pick([cr, lf, crlf, anycrlf, any, x])}, bsr_anycrlf, bsr_unicode, no_start_optimize, ucp, never_utf, x]);
option(run) ->
    frequency([{2, fun() -> option(compile) end},
               {3, fun() ->
                   pick([global, global, {offset, int(0, 5)}, notbol, noteol, notempty, notempty_atstart,
                           report_errors, {match_limit, 100}, {match_limit_recursion, 5}]) end},
               {3, fun() ->
                   {capture, pick([all, all_but_first, first, none, all_names, [1], [0, 2], ["n1", n2], [n1],
                               [-1], x])} end},
               {3, fun() ->
                   {capture, pick([all, all_but_first, first, none, all_names, [1], [0, 2]]),
                       pick([index, list, binary, x])} end}]);
option(split) ->
    frequency([{2, fun() -> option(compile) end},
               {3, fun() ->
                   pick([trim, group, {parts, pick([0, 1, 2, 3, infinity, -1])},
                           {return, pick([iodata, list, binary])}, {offset, int(0, 3)}, notempty]) end}]);
option(replace) ->
    frequency([{2, fun() -> option(compile) end},
               {3, fun() -> pick([global, global, {return, pick([iodata, list, binary])}, {offset, int(0, 3)}, notempty]) end}]).
