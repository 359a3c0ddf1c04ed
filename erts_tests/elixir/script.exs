# What Elixir's compiler, evaluator and library do here: printed, and compared with what they print on OTP.
defmodule Counter do
  use GenServer
  def start_link(n), do: GenServer.start_link(__MODULE__, n, name: __MODULE__)
  def next, do: GenServer.call(__MODULE__, :next)
  @impl true
  def init(n), do: {:ok, n}
  @impl true
  def handle_call(:next, _from, n), do: {:reply, n, n + 1}
end

defmodule Point do
  defstruct x: 0, y: 0
  defimpl String.Chars do
    def to_string(p), do: "(#{p.x}, #{p.y})"
  end
end

defmodule Expr do
  defmacro twice(e), do: quote(do: unquote(e) * 2)
end

defmodule User do
  require Expr
  def twice_21, do: Expr.twice(21)
end

IO.inspect(System.argv())
{:ok, s} = Supervisor.start_link([{Counter, 10}], strategy: :one_for_one)
IO.inspect(for _ <- 1..3, do: Counter.next())
first = Process.whereis(Counter)
Process.exit(first, :kill)
wait = fn wait -> if Process.whereis(Counter) in [nil, first], do: wait.(wait), else: :ok end
wait.(wait)
IO.inspect({Counter.next(), Supervisor.count_children(s)})
IO.puts("#{struct(Point, x: 1, y: 2)} #{inspect(struct(Point))}")
IO.inspect(User.twice_21())
IO.inspect(Task.await_many(for i <- 1..4, do: Task.async(fn -> i * i end)))
{:ok, a} = Agent.start_link(fn -> MapSet.new() end)
Enum.each(~w(c a b a), fn x -> Agent.update(a, &MapSet.put(&1, x)) end)
IO.inspect(Agent.get(a, & &1))
IO.inspect(Regex.scan(~r/(\w)(\d+)/, "a1 b22"), label: "scan")
IO.inspect(String.split("Größe: ½ Tür", ~r/\s/) |> Enum.map(&String.upcase/1))
IO.inspect(Stream.unfold({0, 1}, fn {a, b} -> {a, {b, a + b}} end) |> Enum.take(15))
IO.inspect(with {:ok, x} <- Map.fetch(%{k: 1}, :k), do: x + 1)
IO.inspect(try do raise(ArgumentError, "bad") rescue e in ArgumentError -> e.message after IO.puts("after") end)
IO.inspect(catch_exit = try do exit(:why) catch :exit, r -> r end)
IO.inspect(Code.eval_string("Enum.map(xs, & &1 * y)", xs: [1, 2], y: catch_exit && 3))
IO.inspect(Date.diff(~D[2024-03-01], ~D[2024-02-01]))
IO.inspect(:crypto.hash(:sha256, "x") |> Base.encode16(case: :lower) |> binary_part(0, 8))
IO.inspect(System.cmd("echo", ["from a port"]))
IO.puts(EEx.eval_string("<%= for x <- xs do %><%= x %>;<% end %>", xs: [1, 2]))
IO.inspect(Float.round(1.0e10 / 3, 3))
