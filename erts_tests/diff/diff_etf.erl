%% External terms, mutated; and compressed bytes.
-module(diff_etf).
-export([bytes/0, options/0, options_that_work/0, deflated/1]).
-import(diff_rand, [int/2, pick/1, chance/1, pick_fun/1]).

bytes() ->
    mutate(pick_fun([fun() -> term_to_binary(diff_term:any(), options_that_work()) end, fun hand_made/0]), pick([0, 1, 1, 2, 4])).

options() ->
    diff_rand:list(2, fun() -> pick([compressed, {compressed, int(-1, 10)}, {minor_version, int(-1, 3)}, local,
                deterministic, x, {x, 1}]) end).

options_that_work() -> pick([[], [], [compressed], [{minor_version, 0}], [{minor_version, 1}], [{compressed, 9}]]).

%% What encoders of other times and languages made.
hand_made() ->
    <<131, (pick([<<100, 0, 1, $a>>, <<115, 1, $a>>, <<118, 0, 2, 195, 164>>, <<119, 2, 195, 164>>,
        <<119, 2, 195, 40>>, <<100, 1, 0, 0:2048>>,
                  <<98, -1:32>>, <<98, 5:32>>, <<110, 1, 1, 5>>, <<110, 0, 0>>, <<110, 9, 0, 0:72>>,
                  <<110, 8, 1, 0:56, 128>>, <<110, 2, 2, 1, 1>>, <<111, 0, 0, 0, 1, 0, 9>>,
                  <<111, 255, 255, 255, 255, 0, 1>>, <<99, "1.5", 0:184>>, <<99, "nan", 0:184>>,
                  <<70, 16#7ff0:16, 0:48>>, <<70, 16#8000:16, 0:48>>,
                  <<70, 1.5:64/float>>, <<77, 1:32, 3, 255>>, <<77, 1:32, 0, 255>>,
                  <<77, 1:32, 9, 255>>, <<77, 0:32, 0>>, <<77, 0:32, 3>>, <<107, 0, 2, 1, 2>>, <<108, 0:32, 97, 1>>,
                  <<108, 1:32, 97, 1, 97, 2>>, <<104, 1, 106>>, <<105, 0:32>>,
                  <<105, 16#ffffffff:32>>, <<116, 2:32, 97, 1, 97, 2, 97, 1, 97, 3>>,
                  <<116, 1:32, 98, 1:32, 106>>, <<113, 119, 5, "lists", 119, 3, "map", 97, 2>>,
                  <<113, 97, 1, 119, 1, $a, 97, 2>>, <<109, 255, 255, 255, 255>>,
                  <<103, 119, 3, "a@b", 1:32, 2:32, 3>>, <<88, 119, 3, "a@b", 1:32, 2:32, 3:32>>,
                  <<101, 119, 3, "a@b", 1:32, 3>>, <<114, 0, 1, 119, 3, "a@b", 3, 1:32>>,
                  <<114, 0, 3, 119, 3, "a@b", 3, 1:32, 2:32, 3:32>>,
                  <<90, 0, 3, 119, 3, "a@b", 3:32, 1:32, 2:32, 3:32>>, <<90, 0, 9, 119, 3, "a@b", 3:32>>,
                  <<102, 119, 3, "a@b", 7:32, 1>>, <<89, 119, 3, "a@b", 7:32, 1:32>>,
                  <<120, 119, 3, "a@b", 7:64, 1:32>>,
                  <<80, 2:32, (zlib:compress(<<97, 1>>))/binary>>,
                  <<80, 3:32, (zlib:compress(<<97, 1>>))/binary>>, <<80, 1:32, (zlib:compress(<<97, 1>>))/binary>>,
                  <<121, 0, 0, 0, 0, 0, 0, 0, 0>>]))/binary>>.

mutate(Bytes, 0) -> Bytes;
mutate(<<>>, _) -> <<>>;
mutate(Bytes, N) ->
    At = int(0, byte_size(Bytes) - 1),
    <<Before:At/binary, Byte, After/binary>> = Bytes,
    mutate(pick_fun([fun() -> <<Before/binary, (int(0, 255)), After/binary>> end,
                     fun() -> <<Before/binary, (Byte bxor (1 bsl int(0, 7))), After/binary>> end,
                     fun() ->
                         <<Before/binary, (pick([0, 1, 70, 77, 80, 97, 98, 99, 100, 104, 105, 106, 107, 108, 109, 110,
                                     111, 112, 113, 116, 118, 119, 255])), After/binary>> end,
                     fun() -> <<Before/binary, After/binary>> end,
                     fun() -> <<Before/binary, Byte, Byte, After/binary>> end,
                     fun() -> Before end,
                     fun() -> <<Bytes/binary, 0>> end]), N - 1).

deflated(With) ->
    Data = iolist_to_binary([diff_term:binary() || _ <- lists:seq(1, int(1, 4))]),
    Packed = case With of unzip -> zlib:zip(Data); gunzip -> zlib:gzip(Data); uncompress -> zlib:compress(Data) end,
    mutate(Packed, pick([0, 0, 1])).
