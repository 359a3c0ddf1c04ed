%% Debian's packages of native libraries, as they come: what they answer must be what they answer on OTP, in every mode.
%% One line for each application that is installed. Run by libraries.sh.
-module(library_tests).
-export([main/0, main/1]).

main() -> main([]).
main(_) ->
    [io:format("~s ~w~n", [App, answer(App)])
        || App <- [crypto, asn1, jiffy, bitcask, jose, cache_tab, ezlib, fast_tls, fast_xml, fast_yaml, iconv,
            mqtree, esip, stringprep, xmpp]].

answer(App) ->
    case code:where_is_file(atom_to_list(App) ++ ".app") of
        non_existing -> not_installed;
        _ -> outcome(App)
    end.

%% A crash of one must not hide the others.
outcome(App) ->
    {ok, _} = application:ensure_all_started(App),
    {P, M} = spawn_monitor(fun() -> exit({value, answers(App)}) end),
    receive
        {'DOWN', M, process, P, {value, V}} -> V;
        {'DOWN', M, process, P, Other} -> {ended, Other}
    after 60000 -> no_answer
    end.

answers(crypto) ->
    Key = <<3:256>>,
    [erlang:phash2([try crypto:hash(T, <<"abc">>) catch error:{E, _, _} -> E end || T <- lists:sort(crypto:supports(hashs))]),
     erlang:phash2([try
            #{key_length := K, iv_length := I} = crypto:cipher_info(C),
            crypto:crypto_one_time(C, binary:part(<<Key/binary, Key/binary>>, 0, K),
                binary:copy(<<7>>, I), binary:copy(<<"0123456789abcdef">>, 4000), true)
        catch error:{E, _, _} -> E end || C <- lists:sort(crypto:supports(ciphers))]),
     begin S = crypto:crypto_init(aes_128_ctr, <<1:128>>, <<2:128>>, true),
         [crypto:crypto_update(S, <<X>>) || X <- lists:seq(1, 5)] end,
     begin
        {A, B} = crypto:generate_key(ecdh, x25519), {C, D} = crypto:generate_key(ecdh, x25519),
        crypto:compute_key(ecdh, C, B, x25519) =:= crypto:compute_key(ecdh, A, D, x25519)
     end,
     in_parallel(fun(I) -> crypto:hash(sha256, <<I>>) end)];
answers(asn1) ->
    [caught(fun() -> asn1rt_nif:decode_ber_tlv(B) end) || B <- [<<48, 6, 2, 1, 5, 4, 1, 120>>, <<>>, <<48>>,
        <<48, 200>>, <<255, 255, 255, 255>>]]
    ++ [asn1rt_nif:encode_ber_tlv({16, [{2, <<1>>}, {4, <<"abc">>}]}), asn1rt_nif:encode_per_complete([<<1>>, [10, 3, 5]])];
answers(jiffy) ->
    [caught(fun() -> jiffy:decode(T, [return_maps]) end) || T <- [<<"{\"a\":[1,2.5,null,true,\"\\u20ac\"]}">>,
        <<"[1,">>, <<"nul">>]]
    ++ [jiffy:encode(#{<<"a">> => [1, 2.5, null, <<"x">>]}), erlang:phash2(jiffy:decode(jiffy:encode(lists:seq(1, 50000))))];
answers(bitcask) ->
    Dir = filename:join(os:getenv("TMPDIR", "/tmp"), "bitcask-" ++ os:getpid()),
    file:del_dir_r(Dir),
    B = bitcask:open(Dir, [read_write, {max_file_size, 20000}]),
    Key = fun(I) -> <<"k", (integer_to_binary(I))/binary>> end,
    [ok = bitcask:put(B, Key(I), <<I:200>>) || I <- lists:seq(1, 1000)],
    [ok = bitcask:delete(B, Key(I)) || I <- lists:seq(1, 1000, 3)],
    R = [length(bitcask:list_keys(B)), bitcask:get(B, Key(2)), bitcask:get(B, Key(1)),
        bitcask:fold(B, fun(_, V, A) -> A + byte_size(V) end, 0)],
    bitcask:close(B),
    C = bitcask:open(Dir),
    Again = [length(bitcask:list_keys(C)), bitcask:get(C, Key(2)), caught(fun() -> bitcask:put(C, <<"a">>, <<"b">>) end)],
    bitcask:close(C),
    file:del_dir_r(Dir),
    R ++ Again;
answers(jose) ->
    Key = jose_jwk:from_oct(<<"a key of at least thirty-two bytes">>),
    {_, Token} = jose_jws:compact(jose_jwt:sign(Key, #{<<"alg">> => <<"HS256">>}, #{<<"sub">> => <<"x">>})),
    [Token, element(1, jose_jwt:verify(Key, Token)), element(1, jose_jwt:verify(Key, <<Token/binary, "x">>))];
answers(cache_tab) ->
    [ets_cache:new(cache, [{max_size, 100}]), [ets_cache:lookup(cache, K, fun() -> {ok, K * 2} end) || K <- lists:seq(1, 20)],
     ets_cache:lookup(cache, 20), ets_cache:insert(cache, 7, v), ets_cache:lookup(cache, 7),
     ets_cache:delete(cache, 7), ets_cache:lookup(cache, 7),
     ets_cache:clear(cache), ets_cache:info(cache, size), ets_cache:delete(cache)];
answers(ezlib) ->
    Data = binary:copy(<<"hello zlib ">>, 20000),
    Z = ezlib:new(),
    {ok, Packed} = ezlib:compress(Z, Data),
    {ok, Plain} = ezlib:decompress(Z, Packed),
    [byte_size(Packed), Plain =:= Data, caught(fun() -> ezlib:decompress(ezlib:new(), <<"not packed">>) end)];
answers(fast_tls) ->
    [erlang:phash2(p1_sha:F(binary:copy(<<"x">>, 1000000))) || F <- [sha1, sha256, sha512]]
    ++ [caught(fun() -> p1_sha:sha(a) end), caught(fun() -> fast_tls:open_nif(1, a, a, a, a, a, a, a, a, a) end),
        fast_tls:add_certfile(<<"d">>, <<"f">>),
        fast_tls:get_certfile(<<"d">>), fast_tls:delete_certfile(<<"d">>), fast_tls:get_certfile(<<"d">>)];
answers(fast_xml) ->
    Texts = [<<"<a b='c'>text<d/>&lt;&#x20AC;</a>">>, <<"<a><b></a>">>, <<>>,
        <<"<a xmlns='urn:x' xmlns:p='urn:y'><p:b p:c='1'/></a>">>],
    Big = {xmlel, <<"r">>, [], [{xmlel, <<"c">>, [{<<"i">>, integer_to_binary(I)}], [{xmlcdata, <<"a & b">>}]}
        || I <- lists:seq(1, 3000)]},
    Stream = lists:foldl(fun(C, S) -> fxml_stream:parse(S, C) end, fxml_stream:new(self(), 100000),
        [<<"<s xmlns='j'>">>, <<"<mess">>, <<"age>hi</message><iq/>">>, <<"</s>">>]),
    true = fxml_stream:close(Stream),
    [fxml_stream:parse_element(T) || T <- Texts]
        ++ [fxml_stream:parse_element(fxml:element_to_binary(Big)) =:= Big, received(), fxml:crypt(<<"a<b>&'">>),
     in_parallel(fun(N) ->
        S = lists:foldl(fun(_, S) -> fxml_stream:parse(S, <<"<i>x</i>">>) end,
            fxml_stream:parse(fxml_stream:new(self()), <<"<r>">>), lists:seq(1, 20 * N)),
        fxml_stream:close(S),
        length(received())
     end)];
answers(fast_yaml) ->
    [caught(fun() -> fast_yaml:decode(Y, [maps]) end) || Y <- [<<"a: 1\nb: [1, 2.5, x]\nc:\n  - d: e\n">>, <<>>,
        <<"a: [">>, <<255>>]]
    ++ [iolist_to_binary(fast_yaml:encode([[{a, 1}, {<<"b">>, [x, <<"s t">>]}]])),
        fast_yaml:decode_from_file("/nonexistent.yml")];
answers(iconv) ->
    [caught(fun() -> iconv:convert(From, To, S) end) || {From, To, S} <- [{"utf-8", "iso-8859-1", <<"é"/utf8>>},
        {<<"iso-8859-1">>, <<"utf-8">>, <<233>>},
        {"nope", "utf-8", <<"x">>}, {"utf-8", "koi8-r", <<"мир"/utf8>>}, {"utf-8", "ascii", <<"日"/utf8>>}, {a, b, c}]];
answers(mqtree) ->
    T = mqtree:new(),
    [mqtree:insert(T, S) || S <- ["a/b", "a/+/c", "a/#", "$SYS/x", "#", <<"bin/x">>]],
    mqtree:register(tree, T),
    in_parallel(fun(I) -> mqtree:insert(mqtree:whereis(tree), ["p/", integer_to_list(I)]) end),
    [lists:sort(mqtree:match(T, M)) || M <- [<<"a/b">>, <<"a/x/c">>, <<"$SYS/x">>, <<"q">>]]
    ++ [lists:sort(mqtree:to_list(T)), mqtree:delete(T, "a/b"), mqtree:size(T), mqtree:refc(T, "a/#"),
        mqtree:registered(), mqtree:unregister(tree),
        mqtree:clear(T), mqtree:is_empty(T), caught(fun() -> mqtree:insert(make_ref(), "x") end)];
answers(esip) ->
    ok = esip_codec:start(),
    Message = <<"INVITE sip:bob@b.com SIP/2.0\r\nVia: SIP/2.0/UDP p.a.com;branch=z9\r\n"
        "To: Bob <sip:bob@b.com>\r\nFrom: Alice <sip:alice@a.com>;tag=8\r\n"
        "Call-ID: 9\r\nCSeq: 9 INVITE\r\nContent-Length: 3\r\n\r\nabc">>,
    [esip_codec:decode(Message), esip_codec:decode_uri(<<"sip:u:p@h:5060;transport=tcp?h=v">>),
        esip_codec:to_lower(<<"DeF">>), esip_codec:str(<<"aXb">>, <<"X">>)];
answers(stringprep) ->
    [[stringprep:F(S) || S <- [<<"Foo">>, <<>>, <<"ÄÖ straße"/utf8>>, <<"user@x">>, <<255, 254>>,
        <<16#2126/utf8>>]] || F <- [nameprep, nodeprep, resourceprep, tolower]]
    ++ [erlang:phash2(stringprep:tolower(binary:copy(<<"ABC">>, 5000))), in_parallel(fun(I) ->
        stringprep:nodeprep(<<"U", (I + $A)>>) end)];
answers(xmpp) ->
    [caught(fun() -> jid:decode(J) end) || J <- [<<"A@ExAmple.COM/Res">>, <<"@b">>, <<"a@b@c">>, binary:copy(<<"x">>, 2000)]]
    ++ [[caught(fun() -> xmpp_uri:check(U) end) || U <- [<<"http://a.b/c?d#e">>, <<"xmpp:a@b?x;y=z">>,
        <<"foo">>]], xmpp_lang:check(<<"zh-Hant-TW">>), jid:string_to_usr(<<"x/y@z">>),
        xmpp:decode(fxml_stream:parse_element(
                <<"<message xmlns='jabber:client' to='a@B.c/r' type='chat'><body>hello</body></message>">>),
            <<"jabber:client">>, [])].

caught(F) -> try F() catch C:E -> {C, E} end.

received() -> receive M -> [M | received()] after 0 -> [] end.

in_parallel(F) ->
    Self = self(),
    Ps = [spawn_link(fun() -> Self ! {self(), F(I)} end) || I <- lists:seq(1, 20)],
    erlang:phash2([receive {P, V} -> V after 30000 -> none end || P <- Ps]).
