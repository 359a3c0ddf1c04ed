ExUnit.start(seed: 0, colors: [enabled: false])

defmodule Tests do
  use ExUnit.Case, async: true
  setup do: {:ok, n: 1}
  test "holds", %{n: n}, do: assert(n + 1 == 2)
  test "fails", do: assert([1, 2, 3] == [1, 2, 4])
  test "raises", do: assert_raise(ArithmeticError, fn -> div(1, :erlang.byte_size("")) end)
  test "sees an exit" do
    Process.flag(:trap_exit, true)
    pid = spawn_link(fn -> exit({:no, self()}) end)
    assert_receive {:EXIT, ^pid, {:no, ^pid}}, 20_000
  end
  test "registers" do
    start_supervised!({Registry, keys: :unique, name: R})
    {:ok, _} = Agent.start_link(fn -> 1 end, name: {:via, Registry, {R, :x}})
    assert [{pid, nil}] = Registry.lookup(R, :x)
    assert Agent.get(pid, & &1) == 1
  end
end
