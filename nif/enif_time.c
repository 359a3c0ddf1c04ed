#include <time.h>

#include "lib/base/clock.h"
#include "nif/enif.h"
#include "nif/host.h"

enum { UNIT_COUNT = 4 };
static const int64_t ns_per[UNIT_COUNT] = { 1000000000, 1000000, 1000, 1 };

static bool is_unit(ErlNifTimeUnit unit)
{
    return (unsigned) unit < UNIT_COUNT;
}

/* Rounds down, as erlang:convert_time_unit/3. */
static int64_t divide_down(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

ErlNifTime enif_monotonic_time(ErlNifTimeUnit unit)
{
    return is_unit(unit) ? divide_down(clock_monotonic_ns(), ns_per[unit]) : ERL_NIF_TIME_ERROR;
}

ErlNifTime enif_time_offset(ErlNifTimeUnit unit)
{
    return is_unit(unit) ? divide_down(nif_host->time_offset_ns(), ns_per[unit])
                         : ERL_NIF_TIME_ERROR;
}

ErlNifTime enif_convert_time_unit(ErlNifTime value, ErlNifTimeUnit from, ErlNifTimeUnit to)
{
    if (!is_unit(from) || !is_unit(to)) {
        return ERL_NIF_TIME_ERROR;
    }
    if (ns_per[from] >= ns_per[to]) {
        int64_t scaled;
        bool overflow = __builtin_mul_overflow(value, ns_per[from] / ns_per[to], &scaled);
        return overflow ? ERL_NIF_TIME_ERROR : scaled;
    }
    return divide_down(value, ns_per[to] / ns_per[from]);
}

extern ErlNifTime erl_drv_monotonic_time(ErlNifTimeUnit)
    __attribute__((alias("enif_monotonic_time"), visibility("default")));
extern ErlNifTime erl_drv_time_offset(ErlNifTimeUnit)
    __attribute__((alias("enif_time_offset"), visibility("default")));
extern ErlNifTime erl_drv_convert_time_unit(ErlNifTime, ErlNifTimeUnit, ErlNifTimeUnit)
    __attribute__((alias("enif_convert_time_unit"), visibility("default")));

static ERL_NIF_TERM time_tuple(ErlNifEnv *env, int64_t us)
{
    enum { US = 1000000 };
    return heap_tuple3(env->heap, term_from_small(us / US / US), term_from_small(us / US % US),
        term_from_small(us % US))
        .word;
}

ERL_NIF_TERM enif_now_time(ErlNifEnv *env)
{
    return time_tuple(env, nif_host->now_us());
}

ERL_NIF_TERM enif_cpu_time(ErlNifEnv *env)
{
    return time_tuple(env, clock_read(CLOCK_PROCESS_CPUTIME_ID) / 1000);
}
