/* bif_math.c - module math: libm. */
#include <math.h>

#include "vm/bif/bif.h"
#include "vm/core/arith.h"

static term result(struct proc *p, double d)
{
    return isfinite(d) ? heap_float(&p->heap, d) : proc_raise(p, EXC_ERROR, ATOM(badarith));
}

/* Numbers that are too large for a double are a matter of arithmetic, other terms are not. */
static term refuse(struct proc *p, term a)
{
    return term_is_number(a) ? proc_raise(p, EXC_ERROR, ATOM(badarith)) : proc_badarg(p);
}

static term apply1(struct proc *p, double (*fn)(double), term a)
{
    double x;
    return arith_to_double(a, &x) ? result(p, fn(x)) : refuse(p, a);
}

static term apply2(struct proc *p, double (*fn)(double, double), term *args)
{
    double x, y;
    if (!arith_to_double(args[0], &x)) {
        return refuse(p, args[0]); /* the first that is wrong says what is */
    }
    if (!arith_to_double(args[1], &y)) {
        return refuse(p, args[1]);
    }
    return result(p, fn(x, y));
}

/* bif_math_NAME_1 and _2: the functions of C with these names. */
#define MATH_1(name)                                         \
    term bif_math_##name##_1(struct proc *p, term *args)     \
    {                                                        \
        return apply1(p, name, args[0]);                     \
    }
#define MATH_2(name)                                         \
    term bif_math_##name##_2(struct proc *p, term *args)     \
    {                                                        \
        return apply2(p, name, args);                        \
    }

MATH_1(acos)
MATH_1(acosh)
MATH_1(asin)
MATH_1(asinh)
MATH_1(atan)
MATH_1(atanh)
MATH_1(ceil)
MATH_1(cos)
MATH_1(cosh)
MATH_1(erf)
MATH_1(erfc)
MATH_1(exp)
MATH_1(floor)
MATH_1(log)
MATH_1(log10)
MATH_1(log2)
MATH_1(sin)
MATH_1(sinh)
MATH_1(sqrt)
MATH_1(tan)
MATH_1(tanh)
MATH_2(atan2)
MATH_2(fmod)
MATH_2(pow)
