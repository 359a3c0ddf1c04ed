# A NIF with a bug, called by a supervised server: it is the server that ends.
defmodule Crash do
  @on_load :load
  def load, do: :erlang.load_nif(String.to_charlist(hd(System.argv())), 0)
  def segv, do: :erlang.nif_error(:not_loaded)
  def twice(_), do: :erlang.nif_error(:not_loaded)
end

defmodule Server do
  use GenServer
  def start_link(_), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)
  def init(_), do: {:ok, 0}
  def handle_call(:segv, _, s), do: {:reply, Crash.segv(), s}
  def handle_call(n, _, s), do: {:reply, Crash.twice(n), s}
end

{:ok, s} = Supervisor.start_link([Server], strategy: :one_for_one)
42 = GenServer.call(Server, 21)
before = Process.whereis(Server)
{reason, {GenServer, :call, [Server, :segv, _]}} = try do GenServer.call(Server, :segv) catch :exit, r -> r end
wait = fn wait -> if Process.whereis(Server) in [nil, before], do: wait.(wait), else: :ok end
wait.(wait)
84 = GenServer.call(Server, 42)
%{active: 1} = Supervisor.count_children(s)
IO.puts("the server ended with #{inspect(reason)}, and another one answers")
