/* float_text.h - floats as text, digit for digit as OTP 25 writes them. */
#ifndef VM_FLOAT_TEXT_H
#define VM_FLOAT_TEXT_H

#include "lib/base/base.h"

enum { FLOAT_TEXT_MAX = 256, FLOAT_SCIENTIFIC_DEFAULT = 20 };
/* The text in out (not terminated). 0 if it does not fit. decimals >= 0. */
size_t float_text_fixed(char out[FLOAT_TEXT_MAX], double d, unsigned decimals, bool compact);
size_t float_text_scientific(char out[FLOAT_TEXT_MAX], double d, unsigned decimals);
/* Shortest text that reads back as d, as float_to_list(D, [short]) of OTP 25: "1.0", "1.0e10". */
size_t float_text_short(char out[32], double d);
/* [+-]digits.digits[(e|E)[+-]digits], with a comma for the point too as in OTP; false if it is not
 * that, or not finite. */
bool float_from_text(const char *text, size_t n, double *out);

#endif
