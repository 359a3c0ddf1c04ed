// matrix_cxx_nif.cc - a C++ exception that nobody catches leaves a NIF.
#include <cstddef>
#include <stdexcept>

#include <erl_nif.h>

static ERL_NIF_TERM toss(ErlNifEnv *, int, const ERL_NIF_TERM[])
{
    throw std::runtime_error("nobody catches this");
}

static ErlNifFunc functions[] = { { "toss", 0, toss, 0 } };

ERL_NIF_INIT(bulkhead_matrix_cxx_nif, functions, NULL, NULL, NULL, NULL)
