/* bif_erlang_time.c - clocks, units, dates, unique integers and references.
 *
 * Erlang monotonic time is CLOCK_MONOTONIC in nanoseconds; Erlang system time is that plus an offset
 * taken once at the start (OTP's no_time_warp without its slow correction). OS system time is
 * CLOCK_REALTIME.
 */
#include <limits.h>
#include <time.h>

#include "lib/base/clock.h"
#include "vm/bif/bif.h"
#include "vm/bif/bif_time.h"
#include "vm/core/arith.h"
#include "vm/proc/signal.h"

#define NS_PER_SECOND INT64_C(1000000000)

static _Atomic int64_t offset; /* 0: not yet taken */

int64_t time_offset_ns(void)
{
    int64_t o = atomic_load_explicit(&offset, memory_order_relaxed);
    if (o == 0) {
        int64_t fresh = clock_system_ns() - clock_monotonic_ns();
        if (atomic_compare_exchange_strong(&offset, &o, fresh)) {
            o = fresh;
        }
    }
    return o;
}

static int64_t erlang_system_time(void)
{
    return clock_monotonic_ns() + time_offset_ns();
}

/* Parts per second of a unit, any integer above 0; TERM_NONE: not a unit. */
static term unit_per_second(term unit)
{
    static const struct { enum atom_index name; int64_t per_second; } units[] = {
        { ATOM_INDEX_second, 1 }, { ATOM_INDEX_seconds, 1 },
        { ATOM_INDEX_millisecond, 1000 }, { ATOM_INDEX_milli_seconds, 1000 },
        { ATOM_INDEX_microsecond, 1000000 }, { ATOM_INDEX_micro_seconds, 1000000 },
        { ATOM_INDEX_nanosecond, 1000000000 }, { ATOM_INDEX_nano_seconds, 1000000000 },
        { ATOM_INDEX_native, 1000000000 }, { ATOM_INDEX_perf_counter, 1000000000 },
    };
    if (term_is_integer(unit)) {
        return arith_compare_integers(unit, term_from_small(0)) > 0 ? unit : TERM_NONE;
    }
    for (size_t i = 0; term_is_atom(unit) && i < ARRAY_LEN(units); i++) {
        if (term_to_atom_index(unit) == (size_t) units[i].name) {
            return term_from_small(units[i].per_second);
        }
    }
    return TERM_NONE;
}

/* For units that no machine word holds. Towards minus infinity, as OTP. */
static term in_large_unit(struct proc *p, int64_t ns, term per_second)
{
    enum arith_status st = ARITH_OK;
    struct heap *h = &p->heap;
    term value = arith_binary(h, ARITH_MUL, heap_integer(h, ns), per_second, &st);
    if (!term_is_none(value) && ns < 0) {
        value = arith_binary(h, ARITH_SUB, value, term_from_small(NS_PER_SECOND - 1), &st);
    }
    if (!term_is_none(value)) {
        value = arith_binary(h, ARITH_IDIV, value, term_from_small(NS_PER_SECOND), &st);
    }
    return term_is_none(value) ? proc_system_limit(p) : value;
}

static term in_unit(struct proc *p, int64_t ns, term unit)
{
    term per_second = unit_per_second(unit);
    if (term_is_none(per_second)) {
        return proc_badarg(p);
    }
    if (!term_is_small(per_second)) {
        return in_large_unit(p, ns, per_second);
    }
    __int128 product = (__int128) ns * term_to_small(per_second);
    __int128 value = product / NS_PER_SECOND;
    if (product % NS_PER_SECOND < 0) {
        value--; /* towards minus infinity, as OTP */
    }
    if (value > INT64_MAX || value < INT64_MIN) {
        unsigned __int128 magnitude = value < 0 ? -(unsigned __int128) value : (unsigned __int128) value;
        uint8_t bytes[sizeof(magnitude)];
        for (size_t i = 0; i < sizeof(bytes); i++) {
            bytes[i] = (uint8_t) (magnitude >> (8 * i));
        }
        return integer_from_bytes_le(&p->heap, bytes, sizeof(bytes), value < 0);
    }
    return heap_integer(&p->heap, (int64_t) value);
}

term bif_erlang_monotonic_time_0(struct proc *p, term *args)
{
    (void) args;
    return heap_integer(&p->heap, clock_monotonic_ns());
}

term bif_erlang_monotonic_time_1(struct proc *p, term *args)
{
    return in_unit(p, clock_monotonic_ns(), args[0]);
}

term bif_erlang_system_time_0(struct proc *p, term *args)
{
    (void) args;
    return heap_integer(&p->heap, erlang_system_time());
}

term bif_erlang_system_time_1(struct proc *p, term *args)
{
    return in_unit(p, erlang_system_time(), args[0]);
}

term bif_erlang_time_offset_0(struct proc *p, term *args)
{
    (void) args;
    return heap_integer(&p->heap, time_offset_ns());
}

term bif_erlang_time_offset_1(struct proc *p, term *args)
{
    return in_unit(p, time_offset_ns(), args[0]);
}

term bif_os_system_time_0(struct proc *p, term *args)
{
    (void) args;
    return heap_integer(&p->heap, clock_system_ns());
}

term bif_os_system_time_1(struct proc *p, term *args)
{
    return in_unit(p, clock_system_ns(), args[0]);
}

term bif_os_perf_counter_0(struct proc *p, term *args)
{
    (void) args;
    return heap_integer(&p->heap, clock_monotonic_ns());
}

term bif_erts_internal_time_unit_0(struct proc *p, term *args)
{
    (void) args;
    return heap_integer(&p->heap, NS_PER_SECOND);
}

term bif_erts_internal_perf_counter_unit_0(struct proc *p, term *args)
{
    (void) args;
    return heap_integer(&p->heap, NS_PER_SECOND);
}

/* {MegaSecs, Secs, MicroSecs} */
static term timestamp(struct proc *p, int64_t us)
{
    return heap_tuple3(&p->heap, term_from_small(us / 1000000000000), term_from_small(us / 1000000 % 1000000),
        term_from_small(us % 1000000));
}

term bif_erlang_timestamp_0(struct proc *p, term *args)
{
    (void) args;
    return timestamp(p, erlang_system_time() / 1000);
}

term bif_os_timestamp_0(struct proc *p, term *args)
{
    (void) args;
    return timestamp(p, clock_system_ns() / 1000);
}

/* Each call gives a later time than the one before. */
int64_t time_now_us(void)
{
    static _Atomic int64_t last;
    int64_t us = erlang_system_time() / 1000;
    int64_t seen = atomic_load(&last);
    do {
        us = us <= seen ? seen + 1 : us;
    } while (!atomic_compare_exchange_weak(&last, &seen, us));
    return us;
}

term bif_erlang_now_0(struct proc *p, term *args)
{
    (void) args;
    return timestamp(p, time_now_us());
}

/* ---- dates ---- */

static term tuple3(struct proc *p, int a, int b, int c)
{
    return heap_tuple3(&p->heap, term_from_small(a), term_from_small(b), term_from_small(c));
}

static term date_time(struct proc *p, const struct tm *tm)
{
    return heap_tuple2(&p->heap, tuple3(p, tm->tm_year + 1900, tm->tm_mon + 1, tm->tm_mday),
        tuple3(p, tm->tm_hour, tm->tm_min, tm->tm_sec));
}

static struct tm local_now(void)
{
    struct tm tm;
    time_t now = (time_t) (clock_system_ns() / NS_PER_SECOND);
    localtime_r(&now, &tm);
    return tm;
}

term bif_erlang_localtime_0(struct proc *p, term *args)
{
    (void) args;
    struct tm tm = local_now();
    return date_time(p, &tm);
}

term bif_erlang_universaltime_0(struct proc *p, term *args)
{
    (void) args;
    struct tm tm;
    time_t now = (time_t) (clock_system_ns() / NS_PER_SECOND);
    gmtime_r(&now, &tm);
    return date_time(p, &tm);
}

term bif_erlang_date_0(struct proc *p, term *args)
{
    (void) args;
    struct tm tm = local_now();
    return tuple3(p, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

term bif_erlang_time_0(struct proc *p, term *args)
{
    (void) args;
    struct tm tm = local_now();
    return tuple3(p, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static bool take3(term t, int out[3])
{
    for (size_t i = 0; i < 3; i++) {
        if (!term_is_tuple_of(t, 3) || !term_is_small(term_tuple_get(t, i)) || term_to_small(term_tuple_get(t, i)) < 0
            || term_to_small(term_tuple_get(t, i)) >= INT_MAX) {
            return false;
        }
        out[i] = (int) term_to_small(term_tuple_get(t, i));
    }
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (leap && month == 2);
}

/* {{Year, Month, Day}, {Hour, Minute, Second}} that exists */
static bool take_date_time(term t, struct tm *out)
{
    int d[3], c[3];
    if (!term_is_tuple_of(t, 2) || !take3(term_tuple_get(t, 0), d) || !take3(term_tuple_get(t, 1), c)) {
        return false;
    }
    if (d[1] < 1 || d[1] > 12 || d[2] < 1 || d[2] > days_in_month(d[0], d[1]) || c[0] > 23 || c[1] > 59 || c[2] > 59) {
        return false;
    }
    *out = (struct tm) { .tm_year = d[0] - 1900, .tm_mon = d[1] - 1, .tm_mday = d[2],
        .tm_hour = c[0], .tm_min = c[1], .tm_sec = c[2], .tm_isdst = -1 };
    return true;
}

enum { FIRST_LOCAL_YEAR = 1902, FIRST_UNIVERSAL_YEAR = 1600 }; /* what OTP takes */

term bif_erlang_localtime_to_universaltime_2(struct proc *p, term *args)
{
    struct tm tm;
    if (!take_date_time(args[0], &tm) || tm.tm_year < FIRST_LOCAL_YEAR - 1900
        || (!term_is_bool(args[1]) && !term_same(args[1], ATOM(undefined)))) {
        return proc_badarg(p);
    }
    if (term_is_bool(args[1])) {
        tm.tm_isdst = term_same(args[1], ATOM(true));
    }
    time_t t = mktime(&tm);
    gmtime_r(&t, &tm);
    return date_time(p, &tm);
}

term bif_erlang_localtime_to_universaltime_1(struct proc *p, term *args)
{
    term with_dst[2] = { args[0], ATOM(undefined) };
    return bif_erlang_localtime_to_universaltime_2(p, with_dst);
}

term bif_erlang_universaltime_to_localtime_1(struct proc *p, term *args)
{
    struct tm tm;
    if (!take_date_time(args[0], &tm) || tm.tm_year < FIRST_LOCAL_YEAR - 1900) {
        return proc_badarg(p);
    }
    time_t t = timegm(&tm);
    localtime_r(&t, &tm);
    return date_time(p, &tm);
}

term bif_erlang_universaltime_to_posixtime_1(struct proc *p, term *args)
{
    struct tm tm;
    bool good = take_date_time(args[0], &tm) && tm.tm_year >= FIRST_UNIVERSAL_YEAR - 1900;
    return good ? heap_integer(&p->heap, timegm(&tm)) : proc_badarg(p);
}

/* The date of a day, counted from 1970-01-01. Before the year 0 with the slips of OTP's, which divides towards zero. */
static void date_of_day(int64_t day, int64_t *year, int64_t *month, int64_t *day_of_month)
{
    enum { FROM_MARCH_OF_0 = 719468, DAYS_PER_10000_YEARS = 3652425 };
    day += FROM_MARCH_OF_0;
    int64_t y = (10000 * day + 14780) / DAYS_PER_10000_YEARS;
    int64_t left = day - (365 * y + y / 4 - y / 100 + y / 400);
    if (left < 0) {
        y--;
        left = day - (365 * y + y / 4 - y / 100 + y / 400);
    }
    int64_t m = (100 * left + 52) / 3060; /* 0 is March */
    *year = y + (m + 2) / 12;
    *month = (m + 2) % 12 + 1;
    *day_of_month = left - (m * 306 + 5) / 10 + 1;
}

term bif_erlang_posixtime_to_universaltime_1(struct proc *p, term *args)
{
    enum { DAY = 86400 };
    struct heap *h = &p->heap;
    int64_t seconds, year, month, day;
    if (!integer_to_int64(args[0], &seconds)) {
        return proc_badarg(p);
    }
    int64_t days = seconds / DAY, rest = seconds % DAY;
    if (rest < 0) {
        days--;
        rest += DAY;
    }
    date_of_day(days, &year, &month, &day);
    term date = heap_tuple3(h, heap_integer(h, year), term_from_small(month), term_from_small(day));
    return heap_tuple2(h, date,
        heap_tuple3(h, term_from_small(rest / 3600), term_from_small(rest / 60 % 60), term_from_small(rest % 60)));
}

/* ---- what is unique ---- */

term bif_erlang_make_ref_0(struct proc *p, term *args)
{
    (void) args;
    return heap_ref(&p->heap, ref_next_id(), 0);
}

/* Not monotonic ones come from the same counters as references. */
term bif_erlang_unique_integer_0(struct proc *p, term *args)
{
    (void) args;
    return heap_integer(&p->heap, (int64_t) ref_next_id() + TERM_SMALL_MIN);
}

term bif_erlang_unique_integer_1(struct proc *p, term *args)
{
    bool monotonic = false, positive = false;
    term list = args[0];
    for (; term_is_cons(list); list = term_tail(list)) {
        if (term_same(term_head(list), ATOM(monotonic))) {
            monotonic = true;
        } else if (term_same(term_head(list), ATOM(positive))) {
            positive = true;
        } else {
            return proc_badarg(p);
        }
    }
    if (!term_is_nil(list)) {
        return proc_badarg(p);
    }
    int64_t n = monotonic ? unique_monotonic_next() : (int64_t) ref_next_id();
    return heap_integer(&p->heap, positive ? n : n + TERM_SMALL_MIN);
}
