-module(packet_tests).
-export([cases/0]).
-import(t, [id/1, outcome/1]).

cases() ->
    [{requests, fun() ->
        [decode(Type, [M, " ", U, V, "\r\nrest"], []) || Type <- [http, http_bin], M <- ["GET", "get", "PATCH", ""],
        U <- uris(), V <- [" HTTP/1.1", "  HTTP/12.34x ", "", " ", " HTTP/1", " http/1.1", " x"]] end},
     {responses, fun() -> [decode(http_bin, ["HTTP/", V, S], []) || V <- ["1.1", "1.", "x", "1.12345678901"],
        S <- [" 200 OK\n", "\t404  Not  here \r\n", " 99999999999\n", " 2x\n", "\n", " \r\n", " -1 x\n"]] end},
     {half_lines, fun() ->
         [decode(T, L, []) || T <- [http, httph, line], L <- ["", "GET / HTTP/1.1", "\r\n", "\n", "\r", "Host: a\r\n",
                 "Host: a\r\n b"]] end},
     {fields, fun() -> [decode(T, [F, ": v\r\n\r\n"], []) || T <- [httph, httph_bin], F <- fields()] end},
     {values, fun() ->
         [decode(httph, ["A", V, "x"], []) || V <- [":\r\n", ": \t b \r\n", ":b\r\n c\r\n\td\n", " : v\r\n", ":\n ",
                 ": \r\r\n"]] end},
     {lines, fun() -> [decode(line, "abc\ndef;g", O) || O <- limits() ++ [[{line_delimiter, $;}], [{line_delimiter, 0}]]] end},
     {line_limits, fun() ->
         [decode(T, L, O) || T <- [http, httph], L <- ["a: b\r\n", "a: b\r\nx", "a: b\r\n c", "a: b"], O <- limits()]
         end},
     {lengths, fun() -> [decode(T, B, O) || T <- [raw, 0, 1, 2, 4, sunrm], O <- [[], [{packet_size, 2}]],
        B <- [<<>>, <<1, 2>>, <<0, 1, 2>>, <<0, 0, 0, 1, 5, 6>>, <<0, 0, 0, 3, 1, 2, 3>>,
            <<127, 255, 255, 255>>, <<128, 0, 0, 1, 9>>]] end},
     {headers, fun() -> [decode(T, B, []) || T <- [asn1, cdr, fcgi, tpkt, ssl_tls],
        B <- [<<48, 3, 1, 2, 3, 4>>, <<48, 130, 0, 1, 9, 9>>, <<48, 133, 0, 0, 0, 0, 0, 0>>,
            <<48, 132, 255, 255, 255, 255>>, <<31, 129, 1, 1, 7, 7>>,
              <<31, 255, 255, 255, 255>>, <<"GIOP", 1, 2, 1, 0, 1, 0, 0, 0, 9, 9>>,
              <<"GIOP", 1, 2, 0, 0, 0, 0, 0, 1, 9, 9>>, <<"GIOX", 0:64, 0>>,
              <<1, 1, 0, 0, 0, 1, 2, 0, 7, 8, 8, 9>>, <<1, 1, 0, 0, 0, 1, 2, 0, 7, 8>>,
              <<3, 0, 0, 6, 1, 2, 3>>, <<3, 0, 0, 3, 1>>,
              <<22, 3, 1, 0, 2, 9, 9, 9>>, <<22, 3, 1, 255, 255>>, <<128, 4, 1, 3, 1, 9, 8>>,
              <<128, 2, 1, 3, 1>>, <<129, 4, 1, 3, 1>>]] end},
     {bits_left, fun() ->
         [decode(T, B, []) || T <- [1, raw, line, http], B <- [<<1, 2, 1:3>>, <<"a\n", 5:3>>, <<5:3>>, <<"\n", 1:1>>]]
         end},
     {unaligned, fun() ->
         <<_:3, B/bits>> = id(<<0:3, "Host: a\r\nrest">>),
         [decode(T, B, []) || T <- [http, httph, httph_bin, line, 1, raw]] end},
     {large, fun() -> Long = binary:copy(<<"0123456789">>, 20000), %% texts off the heap
        [{erlang:phash2(decode(T, [Long, "\n\n"], [])), erlang:phash2(decode(T, ["GET /", Long, "\r\n"], [])),
            erlang:phash2(decode(T, ["a: ", Long, "\n\n"], []))}
            || T <- [http, http_bin, httph, httph_bin, line]] end},
     {arguments, fun() ->
         [{A, outcome(fun() -> erlang:decode_packet(T, B, O) end)}
             || {T, B, O} = A <- [{foo, <<>>, []}, {3, <<>>, []}, {line, "a", []},
        {line, <<"a">>, a}, {line, <<"a">>, [a]}, {line, <<"a">>, [{packet_size, -1}]},
        {line, <<"a">>, [{packet_size, 1 bsl 32}]},
        {line, <<"a">>, [{packet_size, a}]}, {line, <<"a">>, [{line_delimiter, 256}]}, {1, <<1, 2>>, [{line_delimiter, 1}]},
        {foo, bar, baz}, {1, <<1, 2>>, [{packet_size, 1 bsl 32 - 1}, {line_length, 0}]}]] end},
     {at_random, fun() -> {Sum, _} = lists:foldl(fun(_, {Sum, S}) ->
        {{T, B, O}, S2} = random(S),
        {erlang:phash2({Sum, outcome(fun() -> erlang:decode_packet(T, B, O) end)}), S2} end,
        {0, rand:seed_s(exsss, 7)}, lists:seq(1, 20000)), Sum end}].

decode(Type, Bytes, Options) ->
    erlang:decode_packet(Type, if is_bitstring(Bytes) -> id(Bytes); true -> iolist_to_binary(Bytes) end, Options).

limits() ->
    [[{K, N} || {K, N} <- [{packet_size, P}, {line_length, L}], N =/= none] || P <- [none, 0, 1, 3, 4, 6, 8],
        L <- [none, 0, 1, 3, 4, 6, 8]].

uris() ->
    ["/", "*", "/a?b#c", "**", ":", "x", "http://h", "HTTPS://h:80/x", "http://h:/x", "http://:8", "http://h:8x/",
        "http:/x", "https://",
    "foo:bar", ":bar", "foo:", "foo", ""].

%% Those that have a number, and others.
fields() ->
    ["Cache-Control", "Connection", "Date", "Pragma", "Transfer-Encoding", "Upgrade", "Via", "Accept",
        "Accept-Charset", "Accept-Encoding",
    "Accept-Language", "Authorization", "From", "Host", "If-Modified-Since", "If-Match", "If-None-Match",
    "If-Range", "If-Unmodified-Since",
    "Max-Forwards", "Proxy-Authorization", "Range", "Referer", "User-Agent", "Age", "Location",
    "Proxy-Authenticate", "Public", "Retry-After",
    "Server", "Vary", "Warning", "WWW-Authenticate", "Allow", "Content-Base", "Content-Encoding",
    "Content-Language", "Content-Length",
    "Content-Location", "Content-MD5", "Content-Range", "Content-Type", "ETag", "Expires", "Last-Modified",
    "Accept-Ranges", "Set-Cookie",
    "Set-Cookie2", "X-Forwarded-For", "Cookie", "Keep-Alive", "Proxy-Connection", "hOST", "ho st", "x-FOO",
    "x--y", "-x", "1a-2B", "a_b", "a(b", "",
    lists:duplicate(50, $a), lists:duplicate(51, $a), "\xe9"].

random(S0) ->
    {Type, S1} = pick([1, 2, 4, sunrm, asn1, cdr, fcgi, tpkt, ssl_tls, line, http, http_bin, httph, httph_bin, http, httph], S0),
    {Bytes, S2} = parts(Type, S1),
    {Option, S3} = pick([packet_size, line_length, none], S2),
    {N, S4} = pick([1, 2, 5, 10, 12, 15, 17, 20, 255], S3),
    {Cut, S5} = rand:uniform_s(byte_size(Bytes) + 8, S4),
    {{Type, binary:part(Bytes, 0, min(Cut, byte_size(Bytes))), [{Option, N} || Option =/= none]}, S5}.

parts(Type, S) when Type =:= http; Type =:= http_bin ->
    pick_all([["GET", "HTTP/1.1", "HTTP/", "G T", ""], [" ", "\t ", "\r", ""], ["200" | uris()], [" ", ""],
        ["HTTP/1.1", "OK ", "HTTP/1"], ["\r\n", "\n", "\r\r\n"], ["", "x"]], S);
parts(Type, S) when Type =:= httph; Type =:= httph_bin ->
    pick_all([["x" | fields()], [":", ": ", " :", "", ":\t"], ["", "v", " a:b\xff"],
        ["\r\n", "\n", "\r\r\n", "\r\n "], ["", "x", "\r\n", "\ty\n\n"]], S);
parts(line, S) ->
    pick_all(lists:duplicate(6, ["a", "bb", "", "\n", "\r\n"]), S);
parts(_, S) ->
    pick_all([[[], [48], [128], [3, 0], [22, 3, 1], "GIOP", ["GIOP", 1, 2, 1], [255],
        [1, 1]] | lists:duplicate(10, [[], 0, 0, 1, 2, 5, 128, 130, 131, 132, 255])], S).

pick(List, S) -> {N, S2} = rand:uniform_s(length(List), S), {lists:nth(N, List), S2}.

pick_all(Lists, S) ->
    {Parts, S2} = lists:mapfoldl(fun pick/2, S, Lists),
    {iolist_to_binary(Parts), S2}.
