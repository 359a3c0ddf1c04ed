/* bif_math.c - module math: libm. */
#include <math.h>

#include "vm/bif/bif.h"
#include "vm/core/arith.h"

static term result(struct proc *p, double d)
{
    return isfinite(d) ? heap_float(&p->heap, d) : proc_raise(p, EXC_ERROR, ATOM(badarith));
}

/* Numbers that are too large for a double are a matter of arithmetic, other terms are not. */
static term refuse(struct proc *p, term a, term b)
{
    bool numbers = term_is_number(a) && term_is_number(b);
    return numbers ? proc_raise(p, EXC_ERROR, ATOM(badarith)) : proc_badarg(p);
}

static term apply1(struct proc *p, double (*fn)(double), term a)
{
    double x;
    return arith_to_double(a, &x) ? result(p, fn(x)) : refuse(p, a, a);
}

static term apply2(struct proc *p, double (*fn)(double, double), term *args)
{
    double x, y;
    if (!arith_to_double(args[0], &x) || !arith_to_double(args[1], &y)) {
        return refuse(p, args[0], args[1]);
    }
    return result(p, fn(x, y));
}

term bif_math_acos_1(struct proc *p, term *args)
{
    return apply1(p, acos, args[0]);
}
term bif_math_acosh_1(struct proc *p, term *args)
{
    return apply1(p, acosh, args[0]);
}
term bif_math_asin_1(struct proc *p, term *args)
{
    return apply1(p, asin, args[0]);
}
term bif_math_asinh_1(struct proc *p, term *args)
{
    return apply1(p, asinh, args[0]);
}
term bif_math_atan_1(struct proc *p, term *args)
{
    return apply1(p, atan, args[0]);
}
term bif_math_atan2_2(struct proc *p, term *args)
{
    return apply2(p, atan2, args);
}
term bif_math_atanh_1(struct proc *p, term *args)
{
    return apply1(p, atanh, args[0]);
}
term bif_math_ceil_1(struct proc *p, term *args)
{
    return apply1(p, ceil, args[0]);
}
term bif_math_cos_1(struct proc *p, term *args)
{
    return apply1(p, cos, args[0]);
}
term bif_math_cosh_1(struct proc *p, term *args)
{
    return apply1(p, cosh, args[0]);
}
term bif_math_erf_1(struct proc *p, term *args)
{
    return apply1(p, erf, args[0]);
}
term bif_math_erfc_1(struct proc *p, term *args)
{
    return apply1(p, erfc, args[0]);
}
term bif_math_exp_1(struct proc *p, term *args)
{
    return apply1(p, exp, args[0]);
}
term bif_math_floor_1(struct proc *p, term *args)
{
    return apply1(p, floor, args[0]);
}
term bif_math_fmod_2(struct proc *p, term *args)
{
    return apply2(p, fmod, args);
}
term bif_math_log_1(struct proc *p, term *args)
{
    return apply1(p, log, args[0]);
}
term bif_math_log10_1(struct proc *p, term *args)
{
    return apply1(p, log10, args[0]);
}
term bif_math_log2_1(struct proc *p, term *args)
{
    return apply1(p, log2, args[0]);
}
term bif_math_pow_2(struct proc *p, term *args)
{
    return apply2(p, pow, args);
}
term bif_math_sin_1(struct proc *p, term *args)
{
    return apply1(p, sin, args[0]);
}
term bif_math_sinh_1(struct proc *p, term *args)
{
    return apply1(p, sinh, args[0]);
}
term bif_math_sqrt_1(struct proc *p, term *args)
{
    return apply1(p, sqrt, args[0]);
}
term bif_math_tan_1(struct proc *p, term *args)
{
    return apply1(p, tan, args[0]);
}
term bif_math_tanh_1(struct proc *p, term *args)
{
    return apply1(p, tanh, args[0]);
}
